import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { portFiles, RELEASES, releaseProfile } from '../src/index.ts'
import { installPort } from '../src/node/index.ts'
import { makeRoot } from './root-folders.ts'

const RC_SUBR = fileURLToPath(new URL('./rc.subr', import.meta.url))

let root: string
beforeEach(async () => {
  root = await makeRoot()
  await installPort({ root, release: '9.1' })
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** Puts a program into the root folder. */
async function program(path: string, text: string): Promise<void> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  await chmod(file, 0o755)
}

/** A staged script, or anything of ours, with the root folder in the place of `/`. */
function rooted(text: string): string {
  return text.replace(/(?<![\w$}.])\/(etc|var|usr\/local|usr\/sbin)\b/g, `${root}/$1`)
}

const NODE = dirname(process.execPath)

/** Runs a staged script as rc(8) would, with no path but the base system's and that of node. */
async function run(path: string, ...args: string[]) {
  const script = join(root, `${path}.rooted`)
  await writeFile(script, rooted(await readFile(join(root, path), 'utf8')))
  const env = { PATH: `${root}/bin:/sbin:/bin:/usr/sbin:/usr/bin:${NODE}`, ROOT: root }
  const { status, stdout, stderr } = spawnSync('sh', [script, ...args], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

const text = (path: string): Promise<string> => readFile(join(root, path), 'utf8')

describe('the rc.d script', () => {
  const rc = (verb: string) => run('usr/local/etc/rc.d/hv_kvpd', verb)

  beforeEach(async () => {
    await writeFile(join(root, 'etc/rc.subr'), await readFile(RC_SUBR))
    await program('bin/sysctl', `#!/bin/sh\necho "$@" >>${root}/sysctl\nexit 1\n`)
    // As daemon(8) of 8.4: these options and no other.
    await program(
      'usr/sbin/daemon',
      '#!/bin/sh\nwhile getopts cfp:u: o; do case $o in p) file=$OPTARG ;; \\?) exit 1 ;; esac; done\nshift $((OPTIND - 1))\n' +
        'cd /\n"$@" >/dev/null 2>&1 </dev/null &\necho $! >"$file"\n',
    )
    await program(
      'usr/local/bin/bis',
      `#!/usr/bin/env node
const { writeFileSync } = require('node:fs')
process.on('SIGTERM', () => { writeFileSync(${JSON.stringify(root)} + '/ended', ''); process.exit() })
writeFileSync(${JSON.stringify(root)} + '/args', process.argv.slice(2).join(' '))
setInterval(() => {}, 1000)
`,
    )
    const daemon = join(root, 'usr/local/sbin/hv_kvp_daemon')
    const daemonText = rooted(await readFile(daemon, 'utf8'))
    await rm(daemon)
    await program('usr/local/sbin/hv_kvp_daemon', daemonText)
    await mkdir(join(root, 'var/run'), { recursive: true })
  })

  afterEach(async () => {
    const pid = Number(await text('var/run/hv_kvp_daemon.pid').catch(() => '0'))
    if (pid > 0) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    }
  })

  it('starts the daemon behind, knows it, and stops it', async () => {
    await writeFile(join(root, 'etc/rc.conf'), 'hv_kvp_daemon_flags="--durable"\n', { flag: 'a' })
    expect(await rc('rcvar')).toMatchObject({ status: 0, stdout: 'hv_kvp_daemon_enable=YES\n', stderr: '' })
    expect(await rc('status')).toMatchObject({ status: 1, stdout: 'hv_kvp_daemon is not running.\n' })
    expect(await rc('stop')).toMatchObject({ status: 1, stderr: expect.stringMatching(/not running/) })
    expect(await rc('start')).toEqual({ status: 0, stdout: '', stderr: '' })
    await expect.poll(() => text('args').catch(() => ''), { timeout: 20_000 }).toBe('kvpd --syslog --durable')
    // The driver of 9.x is told, and one without that sysctl is no error.
    expect(await text('sysctl')).toBe('-q dev.hv_kvp_daemon_ack=1\n')
    const pid = (await text('var/run/hv_kvp_daemon.pid')).trim()
    expect((await rc('status')).stdout).toBe(`hv_kvp_daemon is running as pid ${pid}.\n`)
    expect(await rc('start')).toMatchObject({ status: 1, stderr: expect.stringMatching(/already running/) })
    expect(await rc('stop')).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await text('ended')).toBe('')
    expect((await rc('status')).status).toBe(1)
  })

  it('does nothing unless rc.conf says so, or its folder is gone', async () => {
    await writeFile(join(root, 'etc/rc.conf'), '')
    expect(await rc('start')).toMatchObject({ status: 1, stderr: 'hv_kvp_daemon_enable is not YES\n' })
    await rm(join(root, 'usr/local/hyperv'), { recursive: true })
    expect((await rc('onestart')).stderr).toMatch(/usr\/local\/hyperv is not a directory/)
  })
})

describe('the scripts of the KVP daemon', () => {
  const scripts = 'usr/local/hyperv/scripts'
  const setIfconfig = async (...lines: string[]) => {
    await writeFile(join(root, 'wanted'), `${lines.join('\n')}\n`)
    return run(`${scripts}/hv_set_ifconfig`, join(root, 'wanted'))
  }

  beforeEach(() => program('bin/service', `#!/bin/sh\necho "$@" >>${root}/services\n`))

  it('say whether an interface has DHCP, and the name servers', async () => {
    await writeFile(join(root, 'etc/rc.subr'), 'load_rc_config() { . "$ROOT/etc/rc.conf"; }\n')
    await writeFile(
      join(root, 'etc/network.subr'),
      'dhcpif() { eval case \\"\\$ifconfig_$1\\" in *DHCP*\\) return 0 \\;\\; esac; return 1; }\n',
    )
    await writeFile(join(root, 'etc/rc.conf'), 'ifconfig_hn0="SYNCDHCP"\nifconfig_hn1="inet 10.0.0.1/24"\n')
    const dhcp = async (name: string) => (await run(`${scripts}/hv_get_dhcp_info`, name)).stdout
    expect([await dhcp('hn0'), await dhcp('hn1')]).toEqual(['Enabled\n', 'Disabled\n'])
    expect((await run(`${scripts}/hv_get_dhcp_info`)).status).toBe(1)
    const dns = () => run(`${scripts}/hv_get_dns_info`)
    expect(await dns()).toEqual({ status: 0, stdout: '', stderr: '' })
    await writeFile(join(root, 'etc/resolv.conf'), 'search x\nnameserver 10.0.0.2\n# nameserver 1\nnameserver fd00::2')
    expect((await dns()).stdout).toBe('10.0.0.2\nfd00::2\n')
  })

  it('set an address in rc.conf without sysrc(8), and restart the network', async () => {
    await chmod(join(root, 'etc/rc.conf'), 0o600)
    await writeFile(join(root, 'etc/rc.conf'), 'ifconfig_hn0="DHCP"\nhostname="guest"')
    const wanted = ['HWADDR=00:15:5d:00:00:01', 'IF_NAME=hn0', 'IP_ADDR=10.0.0.5;10.0.0.6', 'SUBNET=255.255.255.0;']
    const done = await setIfconfig(...wanted, 'GATEWAY=10.0.0.1', 'DNS=10.0.0.2;10.0.0.3', 'DHCP=0')
    expect(done).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await text('etc/rc.conf')).toBe(
      'hostname="guest"\nifconfig_hn0="inet 10.0.0.5 netmask 255.255.255.0"\ndefaultrouter="10.0.0.1"\n',
    )
    expect(await text('etc/resolv.conf')).toBe('nameserver 10.0.0.2\nnameserver 10.0.0.3\n')
    expect(await text('services')).toBe('netif restart hn0\nrouting restart\n')
    await setIfconfig('IF_NAME=hn0', 'DHCP=1')
    expect(await text('etc/rc.conf')).toMatch(/^hostname="guest"\ndefaultrouter="10\.0\.0\.1"\nifconfig_hn0="DHCP"\n$/)
    await setIfconfig('IF_NAME=hn0', 'DHCP=0', 'IP_ADDR=fd00::5', 'SUBNET=64', 'GATEWAY=fd00::1')
    expect(await text('etc/rc.conf')).toMatch(
      /^ifconfig_hn0_ipv6="inet6 fd00::5 prefixlen 64"\nipv6_defaultrouter="fd00::1"$/m,
    )
  })

  it.each([
    ['IF_NAME=hn0;reboot', 'DHCP=1'],
    ['IF_NAME=', 'DHCP=1'],
    ['IF_NAME=hn0', 'DHCP=0'],
    ['IF_NAME=hn0', 'IP_ADDR=10.0.0.5"; touch /tmp/x; "', 'SUBNET=255.0.0.0'],
    ['IF_NAME=hn0', 'IP_ADDR=10.0.0.5', 'SUBNET=$(reboot)'],
    ['IF_NAME=hn0', 'IP_ADDR=10.0.0.5', 'DNS=`reboot`'],
  ])('take nothing that is no address: %s %s', async (...lines) => {
    const before = await text('etc/rc.conf')
    expect((await setIfconfig(...lines)).status).toBe(1)
    expect(await text('etc/rc.conf')).toBe(before)
  })
})

const MANDOC = spawnSync('mandoc', ['-Tlint'], { input: '' }).error === undefined
if (!MANDOC) console.log('skipped: manual pages as mandoc(1) sees them (no mandoc)')

describe.skipIf(!MANDOC)('the manual pages', () => {
  const profiles = RELEASES.map(releaseProfile).filter(({ port }) => port.value !== undefined)
  const pages = new Map(
    profiles
      .flatMap(portFiles)
      .filter(({ gzip }) => gzip)
      .map(({ path, text: page }) => [path, page] as const),
  )

  it.each([...pages])('%s has no mistake and renders', async (path, page) => {
    const lint = spawnSync('mandoc', ['-Tlint', '-Wwarning'], { input: page, encoding: 'utf8' })
    // Pages of other systems are not there, and this is not FreeBSD.
    const mistakes = lint.stdout
      .split('\n')
      .filter((line) => line !== '' && !/referenced manual not found|operating system/.test(line))
    expect(mistakes).toEqual([])
    const { stdout } = spawnSync('mandoc', ['-Tascii'], { input: page, encoding: 'utf8' })
    // Bold and underlined: a character, a step back, the character again.
    const plain = stdout
      .split('\b')
      .map((part, i, all) => (i < all.length - 1 ? part.slice(0, -1) : part))
      .join('')
    const [, name = ''] = /\/([\w-]+)\.\d\.gz$/.exec(path) ?? []
    expect(plain).toMatch(new RegExp(`^NAME\n +${name} . `, 'm'))
    expect(plain).toMatch(/^SYNOPSIS\n +\S/m)
  })

  it('are staged as they are', async () => {
    const staged = gunzipSync(await readFile(join(root, 'usr/local/man/man4/hv_vmbus.4.gz'))).toString()
    expect(staged).toBe(pages.get('usr/local/man/man4/hv_vmbus.4.gz'))
  })
})
