import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
let disk: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-profile-'))
  disk = join(folder, 'disk.vhdx')
  expect((await bis('disk', 'create', disk, '64m')).status).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function boot(...flags: string[]): Promise<string> {
  const { stdout, stderr, status } = await bis('boot', '--disk', disk, ...flags)
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^da0: ok: 64 MiB/m)
  return stdout
}

describe('the versions of VMBus', () => {
  it('are capped by the guest with a tunable', async () => {
    expect(await boot('--tunable', 'hw.vmbus.max_version=4.0')).toContain('vmbus0: version 4.0\n')
  })

  it.each(['inline', 'worker'])('are refused one by one by the host, root %s', async (root) => {
    expect(await boot('--refuse', '6.0', '--refuse', '5.3', '--root', root)).toContain('vmbus0: version 5.2\n')
  })

  it('are refused by a host in another process', async () => {
    const socket = join(folder, 'root')
    const host = new BisProcess(['host', '--socket', socket, '--disk', disk, '--refuse', '6.0'])
    await host.until(/root partition at/)
    const { stdout, status } = await bis('boot', '--root', `socket:${socket}`, '--pae')
    expect(status).toBe(0)
    expect(stdout).toContain('vmbus0: version 5.3\n')
    expect((await host.end()).status).toBe(0)
  })
})

describe('a machine out of the ordinary', () => {
  it.each(['inline', 'worker'])('has a 32-bit guest with its rings above 4 GiB, root %s', async (root) => {
    await boot('--pae', '--root', root)
  })

  it('leaves half a gigabyte of memory below a large gap', async () => {
    await boot('--mmio-gap', '3584m', '--memory', '600m')
  })

  it.each(['accept', 'refuse'])('has a guest that does not trust its host: %s confidential channels', async (how) => {
    expect(await boot('--confidential', how, '--tunable', 'hw.vmbus.max_version=5.2')).toContain('version 5.2\n')
  })

  it('fails to boot with a host too old for a guest that does not trust it', async () => {
    const { stdout, status } = await bis('boot', '--confidential', 'refuse', '--host', '2016')
    expect(status).toBe(1)
    expect(stdout).toContain('accepts none of the protocol versions tried (6.0, 5.3, 5.2)')
  })

  it('shows the message of a guest that an NMI has crashed', async () => {
    const env = { XDG_RUNTIME_DIR: folder }
    const machine = new BisProcess(['boot', '--stay', '--name', 'crasher'], { env })
    const nmi = async (): Promise<boolean> => {
      const { status } = await new BisProcess(['vm', 'nmi', 'crasher'], { env }).ended
      return status === 0
    }
    await machine.until(/hvheartbeat0: <Hyper-V Heartbeat>/)
    let injected = await nmi()
    for (let tries = 0; !injected && tries < 10; tries++) injected = await nmi()
    expect((await machine.end('SIGTERM')).stderr).toBe('the guest crashed: panic: NMI on cpu 0\n')
  })

  it.each([
    ['--refuse', '5.4', 'the versions of VMBus are 6.0, 5.3'],
    ['--tunable', 'nonsense', 'is not NAME=VALUE'],
    ['--mmio-gap', '64m', 'from 128m to 3584m'],
    ['--confidential', 'maybe', 'choose accept or refuse'],
  ])('is described in words that are understood: %s %s', async (flag, value, words) => {
    const { stderr, status } = await bis('boot', flag, value)
    expect(status).toBe(2)
    expect(stderr).toContain(words)
  })
})
