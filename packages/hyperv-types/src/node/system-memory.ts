import { TransportError } from '../vmbus-user/index.ts'

/** The few calls of the C library that Node.js has no counterpart for. */
export interface SystemMemory {
  /** Maps a file shared and writable. @throws TransportError `mapping` */
  mapFile(descriptor: number, fileOffset: number, byteLength: number): MappedBytes
}

/** Bytes of a mapped file. */
export interface MappedBytes {
  readonly buffer: ArrayBuffer
  /**
   * Lets go of the file: its bytes give place to private zeros at the same address, so that a window someone still holds
   * leads nowhere instead of ending the process. The addresses are freed when no window is left.
   */
  release(): void
}

const PROT_READ_WRITE = 3
const MAP_SHARED = 0x01
const MAP_PRIVATE = 0x02
const MAP_FIXED = 0x10
/** MAP_ANONYMOUS and MAP_NORESERVE differ between systems. */
const MAP_ANONYMOUS_NORESERVE: Readonly<Record<string, number>> = {
  linux: 0x20 | 0x4000,
  darwin: 0x1000 | 0x40,
  freebsd: 0x1000,
}
/** What mmap returns when it fails: -1 as a pointer. */
const MAP_FAILED = 2n ** 64n - 1n
const ERRORS: Readonly<Record<number, string>> = {
  12: 'out of memory',
  13: 'permission denied',
  22: 'invalid argument',
}

let loaded: Promise<SystemMemory> | undefined

/**
 * Loads the package `koffi`, which calls the C library.
 * @throws TransportError `missing-package` when it is not installed, or not for this system
 */
export function loadSystemMemory(): Promise<SystemMemory> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<SystemMemory> {
  const anonymous = MAP_ANONYMOUS_NORESERVE[process.platform]
  if (anonymous === undefined) {
    throw new TransportError('missing-package', `memory cannot be shared between processes on ${process.platform}`)
  }
  const koffi = await importKoffi()
  const library = koffi.load(null)
  const mmap = library.func('void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)')
  const munmap = library.func('int munmap(void *addr, size_t length)')
  const abandoned = new FinalizationRegistry<{ address: bigint; byteLength: number }>(({ address, byteLength }) => {
    munmap(address, byteLength)
  })
  return {
    mapFile(descriptor, fileOffset, byteLength) {
      const address = mmap(null, byteLength, PROT_READ_WRITE, MAP_SHARED, descriptor, fileOffset) as bigint
      if (address === MAP_FAILED) {
        const number = koffi.errno()
        throw new TransportError(
          'mapping',
          `${byteLength} bytes cannot be mapped: ${ERRORS[number] ?? `error ${number}`}`,
        )
      }
      const buffer = koffi.view(address, byteLength)
      abandoned.register(buffer, { address, byteLength })
      return {
        buffer,
        release() {
          // The closure keeps the buffer, and with it the addresses, until this has run.
          mmap(address, buffer.byteLength, PROT_READ_WRITE, MAP_PRIVATE | MAP_FIXED | anonymous, -1, 0)
        },
      }
    },
  }
}

/** What we use of koffi: pointers are BigInts there. */
interface Koffi {
  load(path: string | null): { func(declaration: string): (...values: readonly unknown[]) => unknown }
  errno(): number
  view(address: bigint, byteLength: number): ArrayBuffer
}

async function importKoffi(): Promise<Koffi> {
  try {
    return (await import('koffi')).default as Koffi
  } catch (cause) {
    const hint = 'sharing memory between processes needs the package koffi: npm install koffi'
    throw new TransportError('missing-package', hint, { cause })
  }
}
