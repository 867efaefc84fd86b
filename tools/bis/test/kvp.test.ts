import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Ended } from './bis-process.ts'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
const running: BisProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-kvp-'))
})
afterEach(async () => {
  for (const process of running.splice(0).reverse()) await process.end('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

const kvp = (...args: string[]): Promise<Ended> => bis('kvp', ...args, '--dir', folder)

async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await kvp(...args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

describe('bis kvp', () => {
  it('sets, gets, lists and deletes', async () => {
    await done('set', 'role', 'Grüße', '--create')
    await done('set', 'from', 'host', '--pool', 'external', '--create')
    expect(await done('get', 'role')).toBe('Grüße\n')
    expect(await done('list')).toBe('0  from = host\n1  role = Grüße\n')
    expect(JSON.parse(await done('list', '--json', '--pool', '1'))).toEqual([{ pool: 1, key: 'role', value: 'Grüße' }])
    await done('delete', 'role')
    expect(await kvp('delete', 'role')).toMatchObject({ status: 1, stderr: 'bis: no "role" in pool 1\n' })
    expect((await readFile(join(folder, '.kvp_pool_0'))).length).toBe(2560)
    expect((await stat(join(folder, '.kvp_pool_0'))).mode & 0o777).toBe(0o600)
  })

  it('splits and joins long values', async () => {
    const text = 'é'.repeat(3000)
    expect((await kvp('set', 'log', text, '--create')).stderr).toMatch(/value of 6000 bytes/)
    for (const style of ['indexed', 'repeated']) {
      await done('set', 'log', text, '--split', style, '--create')
      expect(await done('get', 'log', '--join')).toBe(`${text}\n`)
    }
    await done('delete', 'log', '--join')
    expect(await done('list')).toBe('')
  })

  it('tells each change', async () => {
    const watching = new BisProcess(['kvp', 'watch', '--json', '--initial', '--dir', folder])
    running.push(watching)
    await done('set', 'a', '1', '--create')
    expect(JSON.parse(await watching.until(/.*"a".*/))).toEqual({ pool: 1, type: 'set', key: 'a', value: '1' })
    await done('delete', 'a')
    expect(JSON.parse(await watching.until(/.*"deleted".*/))).toEqual({ pool: 1, type: 'deleted', key: 'a' })
  })

  it('says in one line what is wrong', async () => {
    const wrong: [string[], number, RegExp][] = [
      [['list'], 1, /no pools in .*; is the KVP daemon running\?/],
      [['set', 'a', '1'], 1, /there is no such pool/],
      [['get'], 2, /usage: bis kvp get KEY/],
      [['list', '--pool', '7'], 2, /choose 0 to 4, or external/],
      [['list', '--split', 'x'], 2, /takes no --split/],
      [['frob'], 2, /there is list, get, set, delete, watch/],
    ]
    for (const [args, status, text] of wrong) {
      const ended = await kvp(...args)
      expect([ended.status, ended.stderr.split('\n').length]).toEqual([status, 2])
      expect(ended.stderr).toMatch(text)
    }
  })
})

describe('bis kvpd', () => {
  it('says what is missing where there is no such device', async () => {
    const ended = await bis('kvpd', '--dir', folder, '--device', join(folder, 'nothing'))
    expect([ended.status, ended.stderr]).toEqual([1, expect.stringMatching(/this is no guest of Hyper-V/)])
  })
})

describe.skipIf(process.platform !== 'linux')('bis kvpd on a pipe in place of the device', () => {
  it('registers, and ends at once when it is told to', async () => {
    const device = join(folder, 'device')
    execFileSync('mkfifo', [device])
    // What the daemon writes is what it reads: its own registration, which Linux would answer likewise.
    const daemon = new BisProcess(['kvpd', '--dir', join(folder, 'pools'), '--device', device, '--shared'])
    running.push(daemon)
    await daemon.until(/info: registered with the kernel/)
    expect((await stat(join(folder, 'pools', '.kvp_pool_4'))).mode & 0o777).toBe(0o644)
    const { signal } = await daemon.end('SIGTERM')
    expect(signal).toBe('SIGTERM')
  })
})

describe('bis vm kvp and bis vm ip', () => {
  const env = () => ({ XDG_RUNTIME_DIR: folder })
  const vm = (...args: string[]): Promise<Ended> => new BisProcess(['vm', ...args], { env: env() }).ended
  const start = async (args: readonly string[], ready: RegExp): Promise<void> => {
    const process = new BisProcess(args, { env: env() })
    running.push(process)
    await process.until(ready)
  }

  const cases = {
    'a machine that stays': async () =>
      start(['boot', '--stay', '--name', 'm', '--nic', 'switch', '--pools', join(folder, 'pools')], /hn0: ok/),
    "a stranger's guest of bis host": async () => {
      const socket = join(folder, 'root')
      await start(['host', '--socket', socket, '--name', 'm', '--nic', 'switch'], /root partition at/)
      await start(['boot', '--stay', '--root', `socket:${socket}`], /hn0: ok/)
    },
  }
  for (const [what, begin] of Object.entries(cases)) {
    it(`works on ${what}`, async () => {
      await begin()
      const told = async (...args: string[]): Promise<string> => {
        const { status, stdout, stderr } = await vm(...args)
        expect([status, stderr]).toEqual([0, ''])
        return stdout
      }
      await told('kvp', 'm', 'set', 'from the host', 'Grüße')
      expect(await told('kvp', 'm', 'get', 'from the host')).toBe('Grüße\n')
      const list = await told('kvp', 'm', 'list')
      expect(list).toMatch(/^0 {2}from the host = Grüße$/m)
      expect(list).toMatch(/^2 {2}OSName = BIS for TypeScript$/m)
      expect(list).toMatch(/^3 {2}VirtualMachineName = m$/m)
      if (what === 'a machine that stays') {
        const held = await bis('kvp', 'get', 'from the host', '--dir', join(folder, 'pools'))
        expect(held.stdout).toBe('Grüße\n')
      }
      await told('kvp', 'm', 'delete', 'from the host')
      expect((await vm('kvp', 'm', 'delete', 'from the host')).stderr).toMatch(/has no "from the host" in pool 0/)
      const addresses = ['--address', '192.0.2.5/24', '--address', '2001:db8::5/64']
      await told('ip', 'm', 'set', ...addresses, '--gateway', '192.0.2.1', '--dns', '192.0.2.53')
      expect(JSON.parse(await told('ip', 'm', '--json'))).toMatchObject([
        {
          mac: '00:15:5d:00:00:01',
          dhcp: false,
          addresses: ['192.0.2.5', '2001:db8::5'],
          gateways: ['192.0.2.1'],
          dnsServers: ['192.0.2.53'],
        },
      ])
      expect(await told('show', 'm')).toMatch(/^hn0 .* 192\.0\.2\.5, 2001:db8::5 +ok$/m)
      await told('ip', 'm', 'set', '--dhcp')
      expect(await told('ip', 'm')).toMatch(/^DHCP +enabled$/m)
      expect((await vm('ip', 'm', 'set', '--address', 'x/24')).stderr).toMatch(/such as 192\.0\.2\.5\/24/)
    })
  }
})
