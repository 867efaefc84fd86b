import type { Backend, ParentFinder } from '../../src/index.ts'
import { create, createChild, MemoryBackend, open } from '../../src/index.ts'
import { Random, seededEnvironment } from './random.ts'
import { reopenable } from './reopenable.ts'

const MIB = 1024 * 1024

/** A small image with something in it, what it holds, and how its parent is found. */
export interface Sample {
  name: string
  bytes: Uint8Array
  content: Uint8Array
  findParent: ParentFinder
}

export async function bytesOf(medium: Backend): Promise<Uint8Array> {
  const bytes = new Uint8Array(await medium.size())
  await medium.read(0, bytes)
  return bytes
}

const none: ParentFinder = async () => undefined

/** A dynamic image with blocks written and trimmed. */
export async function dynamicSample(format: 'vhd' | 'vhdx'): Promise<Sample> {
  const medium = new MemoryBackend()
  const environment = seededEnvironment(1)
  const disk = await create(reopenable(medium), {
    format,
    sizeBytes: 4 * MIB,
    blockSize: format === 'vhd' ? 512 * 1024 : MIB,
    environment,
  })
  const random = new Random(1)
  await disk.write(0, random.bytes(64 * 1024))
  await disk.write(3 * MIB - 4096, random.bytes(8192))
  await disk.write(3 * MIB, random.bytes(MIB))
  await disk.trim(0, MIB)
  await disk.write(MIB, random.bytes(4096))
  await disk.compact()
  const content = new Uint8Array(disk.sizeBytes)
  await disk.read(0, content)
  await disk.close()
  return { name: `dynamic ${format}`, bytes: await bytesOf(medium), content, findParent: none }
}

/** A VHDX as a crash leaves it: flushed, not closed, its last map changes only in the log. */
export async function dirtySample(): Promise<Sample> {
  const medium = new MemoryBackend()
  let tablesReached = true
  const handle: Backend = {
    ...reopenable(medium),
    // From a moment on, what goes to the block table (at 3 MiB) does not arrive.
    write: async (offset, buffer) => {
      if (tablesReached || Math.floor(offset / MIB) !== 3) await medium.write(offset, buffer)
    },
  }
  const environment = seededEnvironment(2)
  const disk = await create(handle, { sizeBytes: 4 * MIB, blockSize: MIB, environment })
  const random = new Random(2)
  await disk.write(0, random.bytes(4096))
  await disk.flush()
  tablesReached = false
  await disk.write(2 * MIB, random.bytes(4096))
  await disk.write(3 * MIB, random.bytes(MIB))
  await disk.flush()
  const content = new Uint8Array(disk.sizeBytes)
  await disk.read(0, content)
  return { name: 'dirty vhdx', bytes: await bytesOf(medium), content, findParent: none }
}

/** A child that holds some sectors of its own. */
export async function childSample(format: 'vhd' | 'vhdx'): Promise<Sample> {
  const base = await dynamicSample(format)
  const findParent: ParentFinder = async () => new MemoryBackend(base.bytes)
  const medium = new MemoryBackend()
  const disk = await createChild(reopenable(medium), {
    parent: await open(new MemoryBackend(base.bytes), { readOnly: true }),
    paths: [{ kind: 'relative', path: '.\\base' }],
    findParent,
    blockSize: MIB,
    environment: seededEnvironment(3),
  })
  const random = new Random(3)
  await disk.write(512, random.bytes(1024))
  await disk.write(3 * MIB, random.bytes(MIB))
  await disk.writeZeroes(2 * MIB, MIB)
  const content = new Uint8Array(disk.sizeBytes)
  await disk.read(0, content)
  await disk.close()
  return { name: `child ${format}`, bytes: await bytesOf(medium), content, findParent }
}

export async function fixedSample(): Promise<Sample> {
  const medium = new MemoryBackend()
  const disk = await create(reopenable(medium), {
    format: 'vhd',
    type: 'fixed',
    sizeBytes: 2 * MIB,
    environment: seededEnvironment(4),
  })
  const content = new Random(4).bytes(2 * MIB)
  await disk.write(0, content)
  await disk.close()
  return { name: 'fixed vhd', bytes: await bytesOf(medium), content, findParent: none }
}

export async function allSamples(): Promise<Sample[]> {
  return [
    await dynamicSample('vhdx'),
    await dirtySample(),
    await childSample('vhdx'),
    await dynamicSample('vhd'),
    await childSample('vhd'),
    await fixedSample(),
  ]
}
