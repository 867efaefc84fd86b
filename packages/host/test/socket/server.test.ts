import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import {
  encodeFrame,
  encodeHello,
  encodeMemory,
  FrameReader,
  FrameType,
  FrameWriter,
} from '@bis/hyperv-types/vmbus-user'
import { NotingRoot, SynicGuest } from '@bis/partition/compliance'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { listenVmbusUser } from '../../src/node/index.ts'
import { SocketWorld, until } from './guests.ts'

/** Leaves its socket behind. */
const LISTEN_AND_DIE = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))'

const world = new SocketWorld()

/** What a stranger gets back for the bytes it sends: frames by type and first word, then 'closed'. */
async function talk(...chunks: readonly Uint8Array[]): Promise<string[]> {
  const socket = connect({ path: world.path })
  const reader = new FrameReader()
  const answers: string[] = []
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    reader.push(chunk)
    reader.drain(({ type, view, base, length }) => {
      const result = type === FrameType.HELLO_ACK ? 8 : 0
      answers.push(`0x${type.toString(16)} ${length >= result + 4 ? view.getUint32(base + result, true) : ''}`)
      return true
    })
  })
  for (const chunk of chunks) socket.write(chunk)
  await closed
  answers.push('closed')
  return answers
}

function memoryFile(byteLength = 8192): string {
  const path = join(world.directory, 'memory of a stranger')
  writeFileSync(path, new Uint8Array(byteLength))
  return path
}

describe('a vmbus-user server', () => {
  it('is reachable for its user only, and removes its socket', async () => {
    const server = await world.listen()
    expect(statSync(world.path).mode & 0o777).toBe(0o600)
    await server.close()
    expect(existsSync(world.path)).toBe(false)
  })

  it('refuses to listen where another root does, and replaces a socket that was left behind', async () => {
    await world.listen()
    await expect(listenVmbusUser({ path: world.path, onPartition: () => {} })).rejects.toMatchObject({
      name: 'TransportError',
      code: 'refused',
    })
    await world.server?.close()
    writeFileSync(world.path, 'precious')
    await expect(world.listen()).rejects.toMatchObject({ name: 'TransportError', code: 'refused' })
    expect(readFileSync(world.path, 'utf8')).toBe('precious')
    rmSync(world.path)
    spawnSync(process.execPath, ['-e', LISTEN_AND_DIE, world.path], { stdio: 'ignore' })
    expect(existsSync(world.path)).toBe(true)
    await world.listen()
  })

  it('serves partitions side by side', async () => {
    await world.listen()
    await using first = await world.connect()
    await using second = await world.connect()
    const roots = world.arrived.map(({ ports }) => {
      const root = new NotingRoot()
      ports.connect(root)
      return root
    })
    const guests = [first, second].map(({ partition }) => {
      const guest = new SynicGuest(partition)
      guest.start()
      return guest
    })
    guests[1]?.post(1, Uint8Array.of(2))
    guests[0]?.post(1, Uint8Array.of(1))
    await until('both posts', () => roots.every(({ posts }) => posts.length === 1))
    expect(roots.map(({ posts }) => posts[0]?.payload[0])).toEqual([1, 2])
    first.partition.powerOff()
    await until('the end of the first', () => roots[0]?.notes.length === 1)
    expect(guests[1]?.post(1, Uint8Array.of(3))).toBe(0)
    await until('another post', () => roots[1]?.posts.length === 2)
    expect(roots[1]?.notes).toEqual([])
    await until('one partition', () => world.server?.partitions.length === 1)
  })

  it('leaves no file behind, whether a guest gets in or not', async () => {
    await world.listen({ maxMemoryBytes: 2 ** 20 })
    await expect(world.connect()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('at most 1048576'),
    })
    await world.server?.close()
    await expect(world.connect()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('no socket'),
    })
    expect(readdirSync(world.directory).filter((name) => name.startsWith('bis-'))).toEqual([])
  })

  it('takes no more partitions than it is told to', async () => {
    await world.listen({ maxPartitions: 1 })
    await using _first = await world.connect()
    await expect(world.connect()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('as many'),
    })
  })

  it('ends a connection that never becomes a partition', async () => {
    await world.listen({ handshakeTimeout: 100 })
    expect(await talk()).toEqual(['0x7f 2', 'closed'])
    expect(await talk(encodeHello(1))).toEqual(['0x2 0', '0x7f 2', 'closed'])
  })

  it('keeps what a guest without a root sends up to a limit, and ends the connection beyond it', async () => {
    await world.listen()
    await using pair = await world.connect()
    const guest = new SynicGuest(pair.partition)
    guest.start()
    for (let i = 0; i < 1000; i++) expect(guest.post(1, new Uint8Array(240))).toBe(0)
    const root = new NotingRoot()
    const disconnect = pair.connected.ports.connect(root)
    await until('all posts', () => root.posts.length === 1000)
    disconnect()
    while (guest.post(1, new Uint8Array(240)) === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await pair.root.ended).toMatchObject({
      code: 2,
      reason: expect.stringContaining('a root that is not there'),
    })
  })

  it('answers each broken beginning with its code, and closes', async () => {
    await world.listen()
    const path = memoryFile()
    const region = { gpa: 0, byteLength: 8192, path, fileOffset: 0 }
    const hello = encodeHello(1)
    const old = encodeHello(1)
    old[12] = 2
    const magic = encodeHello(1)
    magic[8] = 0
    const writer = new FrameWriter()
    const cases: readonly [what: string, chunks: readonly Uint8Array[], answers: readonly string[]][] = [
      ['version 2', [old], ['0x2 1', '0x7f 1', 'closed']],
      ['magic', [magic], ['0x7f 2', 'closed']],
      ['no processors', [encodeHello(0)], ['0x2 2', '0x7f 2', 'closed']],
      ['short HELLO', [encodeFrame(FrameType.HELLO, new Uint8Array(15))], ['0x7f 2', 'closed']],
      ['MEMORY first', [encodeMemory([region])], ['0x7f 2', 'closed']],
      ['HELLO twice', [hello, hello], ['0x2 0', '0x7f 2', 'closed']],
      ['traffic too early', [hello, writer.reset().slice()], ['0x2 0', '0x7f 2', 'closed']],
      ['no regions', [hello, encodeMemory([])], ['0x2 0', '0x7f 2', 'closed']],
      ['no file', [hello, encodeMemory([{ ...region, path: `${path}?` }])], ['0x2 0', '0x4 3', '0x7f 3', 'closed']],
      ['half a page', [hello, encodeMemory([{ ...region, byteLength: 100 }])], ['0x2 0', '0x4 4', '0x7f 4', 'closed']],
      ['overlap', [hello, encodeMemory([region, region])], ['0x2 0', '0x4 4', '0x7f 4', 'closed']],
      [
        'frame of the root',
        [hello, encodeMemory([region]), writer.event(0, 2, 1).slice()],
        ['0x2 0', '0x4 0', '0x7f 2', 'closed'],
      ],
      ['overlong', [hello, Uint8Array.of(1, 0, 1, 0, 3, 0, 0, 0)], ['0x2 0', '0x7f 2', 'closed']],
      ['unknown type', [hello, Uint8Array.of(0, 0, 0, 0, 0x55, 0, 0, 0)], ['0x2 0', '0x7f 2', 'closed']],
    ]
    for (const [what, chunks, answers] of cases) {
      const begin = performance.now()
      expect([what, ...(await talk(...chunks))]).toEqual([what, ...answers])
      expect(performance.now() - begin, what).toBeLessThan(5000)
    }
    expect(world.server?.partitions).toEqual([])
  })

  it(
    '[HH-06] serves a partition undisturbed while strangers send nonsense',
    async () => {
      await world.listen()
      await using pair = await world.connect()
      const root = new NotingRoot()
      pair.connected.ports.connect(root)
      const guest = new SynicGuest(pair.partition)
      guest.start()
      const path = memoryFile()
      const good = [encodeHello(2), encodeMemory([{ gpa: 0, byteLength: 8192, path, fileOffset: 0 }])]
      const writer = new FrameWriter()
      const traffic = [writer.postMessage(1, 1, 0, new Uint8Array(20)).slice(), writer.signalEvent(5, 0, 0).slice()]
      const stranger = fc.record({
        frames: fc.integer({ min: 0, max: 4 }),
        at: fc.nat(300),
        flips: fc.array(fc.nat(255), { minLength: 1, maxLength: 8 }),
        tail: fc.uint8Array({ maxLength: 64 }),
      })
      await fc.assert(
        fc.asyncProperty(stranger, async ({ frames, at, flips, tail }) => {
          const stream = [...good, ...traffic].slice(0, frames).flatMap((frame) => [...frame])
          for (const [i, flip] of flips.entries()) if (at + i < stream.length) stream[at + i] = flip
          const bytes = Uint8Array.from([...stream, ...tail, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
          const before = root.posts.length
          const socket = connect({ path: world.path })
          socket.on('error', () => {})
          socket.end(bytes)
          expect(guest.post(1, Uint8Array.of(1))).toBe(0)
          await until('the post', () => root.posts.length > before)
          socket.destroy()
        }),
        { numRuns: fuzzRuns(150), seed: fuzzSeed },
      )
      fuzzCases('connections of strangers at the socket', fuzzRuns(150))
    },
    fuzzTimeout(30_000),
  )
})
