import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BisProcess, bis } from './bis-process.ts'

let folder: string
let disk: string
let socket: string
const running: BisProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bis-roots-'))
  disk = join(folder, 'disk.vhdx')
  socket = join(folder, 'root')
  expect((await bis('disk', 'create', disk, '64m')).status).toBe(0)
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end('SIGKILL')))
  await rm(folder, { recursive: true, force: true })
})

async function startHost(...flags: string[]): Promise<BisProcess> {
  const process = new BisProcess(['host', '--socket', socket, '--disk', disk, ...flags])
  running.push(process)
  await process.until(/root partition at/)
  return process
}

describe('a root in another thread', () => {
  it('serves the same machine', async () => {
    const { stdout, stderr, status } = await bis('boot', '--root', 'worker', '--disk', disk)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^da0: ok: 64 MiB/m)
  })

  it('says what is wrong with an image in one line', async () => {
    const { stderr, status } = await bis('boot', '--root', 'worker', '--disk', join(folder, 'none.vhdx'))
    expect(stderr).toMatch(/^bis: .*none\.vhdx: no such file\n$/)
    expect(status).toBe(1)
  })
})

describe('a root in another process', () => {
  it('serves one guest after the other, on every release', async () => {
    const host = await startHost('--host', '2016')
    for (let i = 0; i < 2; i++) {
      const { stdout, stderr, status } = await bis('boot', '--root', `socket:${socket}`, '--host', '2016')
      expect([status, stderr]).toEqual([0, ''])
      expect(stdout).toContain('vmbus0: version 4.0')
      expect(stdout).toMatch(/^da0: ok: 64 MiB/m)
    }
    expect((await host.end()).status).toBe(0)
    expect(await readdir(folder)).toEqual(['disk.vhdx'])
  })

  it('goes on after a guest was killed, and serves the next', async () => {
    const host = await startHost()
    const guest = new BisProcess(['boot', '--stay', '--root', `socket:${socket}`])
    running.push(guest)
    await guest.until(/da0: ok/)
    await guest.end('SIGKILL')
    const { stdout, status } = await bis('boot', '--root', `socket:${socket}`)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^da0: ok/m)
    expect((await host.end()).status).toBe(0)
  })

  it('leaves its guest with one clear line when it is killed', async () => {
    const host = await startHost()
    const guest = new BisProcess(['boot', '--stay', '--root', `socket:${socket}`])
    running.push(guest)
    await guest.until(/da0: ok/)
    await host.end('SIGKILL')
    const { status, stderr } = await guest.ended
    expect(stderr).toMatch(/^bis: the root is gone: .*\n$/)
    expect(status).toBe(1)
  })

  it('has one guest at a time', async () => {
    const host = await startHost()
    const first = new BisProcess(['boot', '--stay', '--root', `socket:${socket}`])
    running.push(first)
    await first.until(/da0: ok/)
    const second = await bis('boot', '--root', `socket:${socket}`)
    expect(second.status).toBe(1)
    expect((await first.end()).status).toBe(0)
    expect((await host.end()).status).toBe(0)
  })

  it('is missed in one line where there is none', async () => {
    const { stderr, status } = await bis('boot', '--root', `socket:${join(folder, 'none')}`)
    expect(stderr).toMatch(/^bis: .*none: there is no socket; start the root first\n$/)
    expect(status).toBe(1)
  })
})
