/**
 * Locks on pool files. The daemons hold a POSIX record lock on the whole file (fcntl F_SETLKW) while they read or write
 * it; cloud-init and Azure's agents hold flock's. Node.js has neither, so both come from the C library through the
 * optional package koffi.
 */
import { KvpError } from '../errors.ts'

/** A lock on an open file, until it is released or the descriptor is closed. */
export interface FileLock {
  release(): void
}

/** @returns the lock, or undefined while another process holds it */
export type TryLock = (descriptor: number, exclusive: boolean) => FileLock | undefined

interface System {
  readonly setLock: number
  readonly readLock: number
  readonly writeLock: number
  readonly unlock: number
  /** Offset of `l_type` in struct flock; start and length are 0, so the rest stays 0. */
  readonly typeOffset: number
  /** Whether flock's locks are separate from fcntl's; where they are not, ours would exclude ourselves. */
  readonly flock: boolean
}

const SYSTEMS: Readonly<Record<string, System>> = {
  // F_OFD_SETLK: excludes the daemons' locks alike, and closing another descriptor of the file does not drop it.
  linux: { setLock: 37, readLock: 0, writeLock: 1, unlock: 2, typeOffset: 0, flock: true },
  freebsd: { setLock: 12, readLock: 1, writeLock: 3, unlock: 2, typeOffset: 20, flock: false },
}
const FLOCK_BYTES = 32
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
const LOCK_UN = 8
/** EAGAIN is 11 on Linux and 35 on FreeBSD; EACCES is 13. */
const HELD: readonly number[] = [11, 13, 35]

let loaded: Promise<TryLock | undefined> | undefined

/** Loads what locks. @returns undefined where koffi is not installed or the system is another one */
export function loadFileLocks(): Promise<TryLock | undefined> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<TryLock | undefined> {
  const system = SYSTEMS[process.platform]
  const koffi = system === undefined ? undefined : await importKoffi()
  if (system === undefined || koffi === undefined) return undefined
  const library = koffi.load(null)
  const fcntl = library.func('int fcntl(int fd, int cmd, ...)')
  const flock = library.func('int flock(int fd, int operation)')
  const record = (descriptor: number, type: number): boolean => {
    const bytes = new Uint8Array(FLOCK_BYTES)
    new DataView(bytes.buffer).setInt16(system.typeOffset, type, true)
    return done(fcntl(descriptor, system.setLock, 'void *', bytes), koffi)
  }
  return (descriptor, exclusive) => {
    if (!record(descriptor, exclusive ? system.writeLock : system.readLock)) return undefined
    if (system.flock && !done(flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB), koffi)) {
      record(descriptor, system.unlock)
      return undefined
    }
    return {
      release() {
        if (system.flock) flock(descriptor, LOCK_UN)
        record(descriptor, system.unlock)
      },
    }
  }
}

function done(result: unknown, koffi: Koffi): boolean {
  if (result === 0) return true
  const number = koffi.errno()
  if (HELD.includes(number)) return false
  throw new KvpError('no-lock', `the file cannot be locked: error ${number}`)
}

/** What we use of koffi. */
interface Koffi {
  load(path: string | null): { func(declaration: string): (...values: readonly unknown[]) => unknown }
  errno(): number
}

async function importKoffi(): Promise<Koffi | undefined> {
  try {
    return (await import('koffi')).default as Koffi
  } catch {
    return undefined
  }
}
