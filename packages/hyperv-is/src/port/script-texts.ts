/** Texts of the scripts the port installs, ours; what each has to do is known from the port's and the base system's. */

/** Starts the daemon at boot. @param daemon its path */
export const rcScript = (daemon: string): string => `#!/bin/sh
#
# PROVIDE: hv_kvpd
# REQUIRE: LOGIN
# KEYWORD: shutdown

. /etc/rc.subr

name="hv_kvp_daemon"
rcvar="hv_kvp_daemon_enable"
desc="Hyper-V key-value pair daemon"
command="${daemon}"
required_dirs="/usr/local/hyperv"
start_precmd="hv_kvp_ready"

# The driver waits until it is told that a daemon is coming.
hv_kvp_ready()
{
	sysctl -q dev.hv_kvp_daemon_ack=1 >/dev/null || true
}

load_rc_config \${name}
: \${hv_kvp_daemon_enable:="NO"}
run_rc_command "$1"
`

export const DAEMON = `#!/bin/sh
# The KVP daemon: keeps the pools in /var/db/hyperv/pool and answers for the host.
exec bis kvpd "$@"
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
while read -r key value rest; do
	[ "$key" = nameserver ] && echo "$value"
done </etc/resolv.conf
exit 0
`

export const SET_IFCONFIG = `#!/bin/sh
# hv_set_ifconfig FILE: applies what the host wants of an interface: IF_NAME, DHCP or IP_ADDR, SUBNET, GATEWAY, DNS.
[ -r "$1" ] || exit 1
while IFS='=' read -r key value; do
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
if [ "$dhcp" = 1 ]; then
	sysrc "ifconfig_$interface=DHCP" >/dev/null && exec service netif restart "$interface"
	exit 1
fi
first=\${address%%;*}
[ -n "$first" ] || exit 1
case "$first" in
*:*) sysrc "ifconfig_\${interface}_ipv6=inet6 $first prefixlen \${mask%%;*}" >/dev/null || exit 1 ;;
*) sysrc "ifconfig_$interface=inet $first netmask \${mask%%;*}" >/dev/null || exit 1 ;;
esac
router=\${gateway%%;*}
case "$router" in
'') ;;
*:*) sysrc "ipv6_defaultrouter=$router" >/dev/null || exit 1 ;;
*) sysrc "defaultrouter=$router" >/dev/null || exit 1 ;;
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
