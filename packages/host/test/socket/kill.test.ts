import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { bundle } from '@bis/build/bundle'
import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { Partition } from '@bis/partition'
import { NotingRoot, SynicGuest } from '@bis/partition/compliance'
import { connectSocketRoot } from '@bis/partition/node'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConnectedPartition } from '../../src/node/index.ts'
import { listenVmbusUser } from '../../src/node/index.ts'
import { until, workDirectory } from './guests.ts'

const directory = workDirectory()
const children = new Set<ChildProcess>()
let rootScript = ''
let guestScript = ''

beforeAll(async () => {
  rootScript = await bundle(new URL('root-process.ts', import.meta.url))
  guestScript = await bundle(new URL('guest-process.ts', import.meta.url))
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

/** Starts a script and waits for its first line. */
async function start(script: string, ...args: readonly string[]): Promise<{ child: ChildProcess; lines: string[] }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  const lines: string[] = []
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(line))
  await until(`the first line of ${script}`, () => lines.length > 0 || child.exitCode !== null)
  return { child, lines }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

describe('killing one of the two processes', () => {
  it('when it is the root: the guest is told, and connects to the next root', async () => {
    const path = join(directory, 'killed root.sock')
    for (let life = 0; life < 3; life++) {
      // Each root finds the socket that the one before left behind.
      const { child } = await start(rootScript, path)
      const memory = await createMappedMemory(2 ** 21, { directory })
      const partition = new Partition({ memory: memory.memory })
      const root = await connectSocketRoot(partition, { path, memory })
      const guest = new SynicGuest(partition)
      guest.start()
      for (let i = 0; i < 50; i++) guest.post(1, Uint8Array.of(i))
      if (life > 0) await until('an answer', () => guest.messages.length > 0)
      await kill(child)
      const { reason } = await root.ended
      expect(reason).toMatch(/closed|reset|EPIPE/i)
      expect(guest.post(1, Uint8Array.of(1))).toBe(18)
      expect(guest.signal(0x2001)).toBe(18)
      memory.release()
    }
    expect(readdirSync(directory).filter((name) => name.startsWith('bis-'))).toEqual([])
  })

  it('when it is the guest: the root is told, lets go of its memory, and serves the next', async () => {
    const path = join(directory, 'killed guest.sock')
    const arrived: { partition: ConnectedPartition; root: NotingRoot }[] = []
    await using server = await listenVmbusUser({
      path,
      onPartition(partition) {
        const root = new NotingRoot()
        partition.ports.connect(root)
        arrived.push({ partition, root })
      },
    })
    for (let life = 0; life < 3; life++) {
      const { child, lines } = await start(guestScript, path, directory)
      expect(lines[0]).toBe('connected')
      await until('a partition', () => arrived.length > life)
      const { partition, root } = arrived[life] ?? {}
      if (partition === undefined || root === undefined) throw new Error('no partition')
      await until('posts', () => root.posts.length > life * 20)
      await kill(child)
      await partition.ended
      expect(root.notes.length).toBe(1)
      expect(partition.ports.postMessage(0, 2, 1, new Uint8Array(8))).toBe('gone')
      await until('nothing left', () => server.partitions.length === 0)
      // A device of the host that has not noticed yet reads and writes where the guest was.
      partition.ports.memory.bytesAt(0, 4096).fill(1)
    }
    expect(readdirSync(directory).filter((name) => name.startsWith('bis-'))).toEqual([])
  })

  it('at any moment of the beginning leaves the root ready for the next', async () => {
    const path = join(directory, 'early.sock')
    const arrived: ConnectedPartition[] = []
    await using server = await listenVmbusUser({
      path,
      onPartition: (partition) => {
        partition.ports.connect({ messagePosted: () => 0, eventSignaled: () => 0, partitionReset() {} })
        arrived.push(partition)
      },
    })
    for (const delay of [0, 20, 40, 60, 80, 120]) {
      const child = spawn(process.execPath, [guestScript, path, directory], { stdio: 'ignore' })
      children.add(child)
      await new Promise((resolve) => setTimeout(resolve, delay))
      await kill(child)
    }
    await until('nothing left', () => server.partitions.length === 0)
    const { lines } = await start(guestScript, path, directory)
    expect(lines[0]).toBe('connected')
  })

  it('is seen while the guest has no root yet, whatever it has sent', async () => {
    const path = join(directory, 'no root.sock')
    const arrived: ConnectedPartition[] = []
    await using server = await listenVmbusUser({ path, onPartition: (partition) => void arrived.push(partition) })
    const { child } = await start(guestScript, path, directory)
    await until('a partition', () => arrived.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await kill(child)
    expect((await arrived[0]?.ended)?.reason).toMatch(/closed|reset/i)
    await until('nothing left', () => server.partitions.length === 0)
    const notes = new NotingRoot()
    arrived[0]?.ports.connect(notes)
    await until('the note', () => notes.notes.length === 1)
  })

  it('of two guests leaves the other undisturbed', async () => {
    const path = join(directory, 'two.sock')
    const roots: NotingRoot[] = []
    await using _server = await listenVmbusUser({
      path,
      onPartition(partition) {
        const root = new NotingRoot()
        partition.ports.connect(root)
        roots.push(root)
      },
    })
    const first = await start(guestScript, path, directory)
    await start(guestScript, path, directory)
    await until('both', () => roots.length === 2 && roots.every(({ posts }) => posts.length > 0))
    await kill(first.child)
    await until('one end', () => roots.some(({ notes }) => notes.length > 0))
    const other = roots.find(({ notes }) => notes.length === 0)
    const before = other?.posts.length ?? 0
    await until('more posts', () => (other?.posts.length ?? 0) > before + 20)
  })

  it('when the root closes in order, the guest process ends with its own words', async () => {
    const path = join(directory, 'closed.sock')
    const server = await listenVmbusUser({ path, onPartition: ({ ports }) => ports.connect(new NotingRoot()) })
    const { child, lines } = await start(guestScript, path, directory)
    const exit = once(child, 'exit')
    await server.close()
    expect((await exit)[0]).toBe(3)
    expect(lines.at(-1)).toMatch(/^ended: /)
  })
})
