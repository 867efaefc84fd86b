import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryError } from '../errors.ts'
import { GuestMemory, memoryLayout } from '../memory/guest-memory.ts'
import { PAGE_SIZE } from '../memory/page.ts'
import type { SharedRegion } from '../vmbus-user/index.ts'
import { TransportError } from '../vmbus-user/index.ts'
import type { MappedBytes, SystemMemory } from './system-memory.ts'
import { loadSystemMemory } from './system-memory.ts'

const DEFAULT_DIRECTORY = '/dev/shm'
const PREFIX = 'bis-'
/** A file that is older has been connected or forgotten, in milliseconds. */
const LEFTOVER_AGE = 60_000
/** Most memory that a partition may bring, unless told otherwise: 64 GiB. */
const DEFAULT_LIMIT = 64 * 2 ** 30

export interface CreateOptions {
  /** Where the file lives; a file system in memory. Default `/dev/shm`. */
  readonly directory?: string
  /** Where the hole for devices begins, as for `GuestMemory.allocate`. */
  readonly gapBase?: number
}

/** Guest memory in a file that another process can map too. */
export interface MappedMemory {
  readonly memory: GuestMemory
  readonly regions: readonly SharedRegion[]
  /** Removes the file's name: who has mapped it keeps it, and it goes away with the last of them. */
  unlink(): void
  /** Lets go of the memory; what is still read there is zero. */
  release(): void
}

/**
 * Makes zeroed guest memory in a new file that only this user can open.
 * @throws TransportError `missing-package`, `mapping`
 */
export async function createMappedMemory(byteLength: number, options: CreateOptions = {}): Promise<MappedMemory> {
  if (!Number.isSafeInteger(byteLength) || byteLength <= 0 || byteLength % PAGE_SIZE !== 0) {
    throw new TransportError('invalid-option', `guest memory of ${byteLength} bytes; whole pages of ${PAGE_SIZE}`)
  }
  const system = await loadSystemMemory()
  const name = `${PREFIX}${process.pid}-${randomBytes(8).toString('hex')}`
  const directory = options.directory ?? DEFAULT_DIRECTORY
  removeLeftovers(directory)
  const path = join(directory, name)
  let fileOffset = 0
  const regions = memoryLayout(byteLength, options.gapBase).map((extent) => {
    const region = { ...extent, path, fileOffset }
    fileOffset += extent.byteLength
    return region
  })
  try {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      ftruncateSync(descriptor, byteLength)
    } finally {
      closeSync(descriptor)
    }
    const { memory, release } = mapAll(system, regions)
    return { memory, regions, release, unlink: () => rmSync(path, { force: true }) }
  } catch (cause) {
    rmSync(path, { force: true })
    if (cause instanceof TransportError) throw cause
    throw new TransportError('mapping', `no guest memory of ${byteLength} bytes in ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Removes files of processes that were killed before their memory was connected. */
function removeLeftovers(directory: string): void {
  try {
    for (const name of readdirSync(directory)) {
      const pid = Number(/^bis-(\d+)-[0-9a-f]{16}$/.exec(name)?.[1])
      const path = join(directory, name)
      if (pid > 0 && !isAlive(pid) && Date.now() - statSync(path).mtimeMs > LEFTOVER_AGE) rmSync(path, { force: true })
    }
  } catch {
    // What cannot be read or removed belongs to others, or is gone already.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/** Maps the regions that a partition names. */
export interface RegionMapper {
  /**
   * @throws TransportError `mapping` when a file is not there, is no plain file, or is too short
   * @throws MemoryError `bad-region` when addresses are not whole pages, overlap, or are too much
   */
  map(regions: readonly SharedRegion[]): { readonly memory: GuestMemory; release(): void }
}

/** @throws TransportError `missing-package` */
export async function createRegionMapper(limitBytes = DEFAULT_LIMIT): Promise<RegionMapper> {
  const system = await loadSystemMemory()
  return {
    map(regions) {
      let total = 0
      for (const { gpa, byteLength, fileOffset } of regions) {
        total += byteLength
        if (gpa % PAGE_SIZE !== 0 || byteLength % PAGE_SIZE !== 0 || fileOffset % PAGE_SIZE !== 0 || byteLength === 0) {
          throw new MemoryError('bad-region', `region 0x${gpa.toString(16)} of ${byteLength} bytes is not whole pages`)
        }
      }
      if (!(total <= limitBytes)) {
        throw new MemoryError('bad-region', `${total} bytes of memory; at most ${limitBytes} are taken`)
      }
      return mapAll(system, regions)
    },
  }
}

function mapAll(system: SystemMemory, regions: readonly SharedRegion[]): { memory: GuestMemory; release: () => void } {
  const mapped: MappedBytes[] = []
  const release = (): void => {
    for (const bytes of mapped.splice(0)) bytes.release()
  }
  try {
    const specs = regions.map((region) => {
      const bytes = mapRegion(system, region)
      mapped.push(bytes)
      return { gpa: region.gpa, backing: { kind: 'mapped' as const, bytes: new Uint8Array(bytes.buffer) } }
    })
    return { memory: new GuestMemory(specs), release }
  } catch (error) {
    release()
    throw error
  }
}

function mapRegion(system: SystemMemory, { path, fileOffset, byteLength }: SharedRegion): MappedBytes {
  const descriptor = open(path)
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) throw new TransportError('mapping', `${path} is no plain file`)
    if (status.size < fileOffset + byteLength) {
      throw new TransportError('mapping', `${path} has ${status.size} bytes, less than ${fileOffset + byteLength}`)
    }
    return system.mapFile(descriptor, fileOffset, byteLength)
  } finally {
    closeSync(descriptor)
  }
}

function open(path: string): number {
  try {
    // Non-blocking, so that the name of a pipe cannot hold us up.
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (cause) {
    throw new TransportError('mapping', `${path} cannot be opened: ${messageOf(cause)}`, { cause })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
