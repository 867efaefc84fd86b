import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CapturedFrame } from '@bis/host'
import { CaptureDirection, PcapngWriter, readCapture } from '@bis/host'
import { FrameStream } from '@bis/host/node'
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

async function writeCapture(file: string, count: number): Promise<void> {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  const port = writer.addInterface('lan')
  for (let i = 0; i < count; i++) {
    const frame = new Uint8Array(60).fill(0xff, 0, 6)
    frame[14] = i
    writer.frame(port, 1000 + i * 100, CaptureDirection.inbound, frame, 0, frame.length)
  }
  await writeFile(file, Buffer.concat(parts))
}

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

  it('has the NICs, and plays a capture to one', async () => {
    const file = join(folder, 'capture.pcapng')
    await writeCapture(file, 5)
    const captured = join(folder, 'again.pcapng')
    const socket = join(folder, 'net')
    const args = ['net', '--root', 'worker', '--nic', `replay:${file},speed=10`, '--socket', socket]
    const process = new BisProcess([...args, '--capture', captured])
    running.push(process)
    await process.until(/hn0 is at/)
    let again: CapturedFrame[] = []
    for (let tries = 0; again.length < 5 && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      again = []
      for await (const frame of readCapture(createReadStream(captured))) again.push(frame)
    }
    const { status, stderr } = await process.end()
    expect([status, stderr]).toEqual([0, '5 frames dropped\n']) // nobody was at the socket
    expect(again.map(({ bytes }) => bytes[14])).toEqual([0, 1, 2, 3, 4])
  })

  it('says what is wrong with a NIC in one line', async () => {
    const { stderr, status } = await bis('boot', '--root', 'worker', '--nic', `stream:${join(folder, 'none')}`)
    expect(stderr).toMatch(/^bis: --nic stream:.*start what listens there first\n$/)
    expect(status).toBe(1)
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

  it('has the NICs, for one guest after the other', async () => {
    const lan = join(folder, 'lan')
    const frames: Uint8Array[] = []
    const onFrame = (bytes: Uint8Array, at: number, length: number): boolean =>
      frames.push(bytes.slice(at, at + length)) > 0
    await using _lan = await FrameStream.listen(lan, { onFrame })
    const host = await startHost('--nic', `stream:${lan},mac=00:15:5d:00:00:09`)
    for (let i = 1; i <= 3; i++) {
      const { stdout, stderr, status } = await bis('boot', '--root', `socket:${socket}`)
      expect([status, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/^hn0: ok: 00:15:5d:00:00:09, link up/m)
      expect(frames.length).toBe(i)
    }
    const { stderr, status } = await bis('boot', '--root', `socket:${socket}`, '--nic', 'switch')
    expect([status, stderr]).toEqual([2, expect.stringContaining('give --nic there')])
    expect((await host.end()).status).toBe(0)
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
