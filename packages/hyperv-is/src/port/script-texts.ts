/** Texts of the scripts the port installs, ours; what each has to do is known from the port's and the base system's. */

/**
 * Starts the daemon at boot. It stays in the foreground, so daemon(8) puts it behind and notes its process, which is a
 * `node`; the options are those that daemon(8) of 8.4 has.
 * @param daemon its path
 */
export const rcScript = (daemon: string): string => `#!/bin/sh
#
# PROVIDE: hv_kvpd
# REQUIRE: LOGIN
# KEYWORD: shutdown
#
# rc.conf: hv_kvp_daemon_enable="YES", hv_kvp_daemon_flags for more options of the daemon.

. /etc/rc.subr

name="hv_kvp_daemon"
rcvar="hv_kvp_daemon_enable"
desc="Hyper-V key-value pair daemon"

load_rc_config \${name}
: \${hv_kvp_daemon_enable:="NO"}
: \${hv_kvp_daemon_flags:=""}

pidfile="/var/run/\${name}.pid"
procname="node"
command="/usr/sbin/daemon"
command_args="-c -f -p \${pidfile} ${daemon} \${hv_kvp_daemon_flags}"
# These are the daemon's, not those of daemon(8).
hv_kvp_daemon_flags=""
required_dirs="/usr/local/hyperv"
start_precmd="hv_kvp_ready"

# The driver waits until it is told that a daemon is coming.
hv_kvp_ready()
{
	mkdir -p /var/db/hyperv/pool
	sysctl -q dev.hv_kvp_daemon_ack=1 >/dev/null || true
}

run_rc_command "$1"
`

export const DAEMON = `#!/bin/sh
# The KVP daemon: keeps the pools in /var/db/hyperv/pool and answers for the host.
# rc(8) looks in the base system's folders only, npm installs elsewhere.
PATH=\${PATH:-/sbin:/bin:/usr/sbin:/usr/bin}:/usr/local/sbin:/usr/local/bin
export PATH
exec bis kvpd --syslog "$@"
`

export const GET_DHCP_INFO = `#!/bin/sh
# hv_get_dhcp_info INTERFACE: says Enabled when the interface gets its address by DHCP, else Disabled.
[ -n "$1" ] || exit 1
. /etc/rc.subr
. /etc/network.subr
load_rc_config netif
if dhcpif "$1"; then echo Enabled; else echo Disabled; fi
`

export const GET_DNS_INFO = `#!/bin/sh
# hv_get_dns_info INTERFACE: the name servers, one a line.
[ -r /etc/resolv.conf ] || exit 0
while read -r key value rest || [ -n "$key" ]; do
	[ "$key" = nameserver ] && echo "$value"
done </etc/resolv.conf
exit 0
`

/** Without sysrc(8), which 8.4 and 9.1 do not have. */
export const SET_IFCONFIG = `#!/bin/sh
# hv_set_ifconfig FILE: applies what the host wants of an interface: IF_NAME, DHCP or IP_ADDR, SUBNET, GATEWAY, DNS.
[ -r "$1" ] || exit 1
while IFS='=' read -r key value || [ -n "$key" ]; do
	case "$key" in
	IF_NAME) interface=$value ;;
	DHCP) dhcp=$value ;;
	IP_ADDR) address=$value ;;
	SUBNET) mask=$value ;;
	GATEWAY) gateway=$value ;;
	DNS) servers=$value ;;
	esac
done <"$1"
case "$interface" in ''|*[!a-z0-9]*) exit 1 ;; esac
# rc.conf is a shell script: nothing but addresses gets into it.
case "$address$mask$gateway$servers" in *[!0-9A-Fa-f.:';']*) exit 1 ;; esac

set_rc() # NAME VALUE
{
	{ grep -v "^[[:space:]]*$1=" /etc/rc.conf; printf '%s="%s"\\n' "$1" "$2"; } >/etc/rc.conf.hv &&
	    cat /etc/rc.conf.hv >/etc/rc.conf && rm /etc/rc.conf.hv || exit 1
}

if [ "$dhcp" = 1 ]; then
	set_rc "ifconfig_$interface" DHCP
	exec service netif restart "$interface"
fi
first=\${address%%;*}
[ -n "$first" ] || exit 1
case "$first" in
*:*) set_rc "ifconfig_\${interface}_ipv6" "inet6 $first prefixlen \${mask%%;*}" ;;
*) set_rc "ifconfig_$interface" "inet $first netmask \${mask%%;*}" ;;
esac
router=\${gateway%%;*}
case "$router" in
'') ;;
*:*) set_rc ipv6_defaultrouter "$router" ;;
*) set_rc defaultrouter "$router" ;;
esac
if [ -n "$servers" ]; then
	: >/etc/resolv.conf
	IFS=';'
	for server in $servers; do
		[ -n "$server" ] && echo "nameserver $server" >>/etc/resolv.conf
	done
fi
service netif restart "$interface" && service routing restart >/dev/null
`
