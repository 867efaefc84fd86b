import { MemoryError } from '../errors.ts'
import type { MemoryKind, WasmMemory } from './backing.ts'
import { GuestMemory } from './guest-memory.ts'

/** Guest memory for another thread of this process; passes through postMessage and workerData. */
export type MemoryLink = readonly {
  readonly gpa: number
  readonly byteOffset: number
  readonly byteLength: number
  readonly kind: MemoryKind
  /** The bytes: a WebAssembly.Memory for kind `wasm`, otherwise a SharedArrayBuffer. */
  readonly store: WasmMemory | SharedArrayBuffer
}[]

/** @throws MemoryError `bad-region` for memory that threads cannot share */
export function linkMemory(memory: GuestMemory): MemoryLink {
  return memory.regions.map(({ gpa, byteLength, bytes, kind, wasm }) => {
    if (!(bytes.buffer instanceof SharedArrayBuffer)) {
      throw new MemoryError('bad-region', `memory of kind ${kind} cannot be shared with a thread; use wasm or shared`)
    }
    return { gpa, byteOffset: bytes.byteOffset, byteLength, kind, store: wasm ?? bytes.buffer }
  })
}

/** In the other thread: the same memory. */
export function attachMemory(link: MemoryLink): GuestMemory {
  return new GuestMemory(
    link.map(({ gpa, byteOffset, byteLength, kind, store }) => {
      const buffer = 'buffer' in store ? store.buffer : store
      const bytes = new Uint8Array(buffer, byteOffset, byteLength)
      return { gpa, backing: { kind, bytes, ...('buffer' in store ? { wasm: store } : {}) } }
    }),
  )
}
