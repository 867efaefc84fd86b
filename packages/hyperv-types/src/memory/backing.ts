import { MemoryError } from '../errors.ts'
import { PAGE_SIZE } from './page.ts'

/**
 * What holds a region's bytes. `wasm`: shared WebAssembly.Memory (the default; threads and WebAssembly work on it in
 * place); `local`: a WebAssembly.Memory of one thread, out of and into which V8 copies at full speed; `shared`:
 * SharedArrayBuffer; `plain`: ArrayBuffer, one thread only; `mapped`: a file mapped by a transport.
 */
export type MemoryKind = 'wasm' | 'local' | 'shared' | 'plain' | 'mapped'

/** What our types say of a WebAssembly.Memory; the language's own type would ask users for the DOM library. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

const WASM_PAGE_SIZE = 65_536
/**
 * Bytes behind the guest's memory in the same WebAssembly.Memory. No guest-physical address reaches them, so code in
 * WebAssembly copies packets out to there before anything looks at them.
 */
export const WASM_PRIVATE_BYTES = 16 * 1024 * 1024

export interface Backing {
  readonly kind: MemoryKind
  /** The guest's bytes. */
  readonly bytes: Uint8Array
  /** With kinds `wasm` and `local`: the memory, whose first bytes are the guest's. */
  readonly wasm?: WasmMemory
}

/**
 * Makes zeroed memory of a kind.
 * @param byteLength whole pages; at most 4 GiB less {@link WASM_PRIVATE_BYTES} for `wasm` and `local`.
 */
export function createBacking(kind: Exclude<MemoryKind, 'mapped'>, byteLength: number): Backing {
  if (byteLength <= 0 || byteLength % PAGE_SIZE !== 0) {
    throw new MemoryError('unaligned', `memory of ${byteLength} bytes is not a whole number of ${PAGE_SIZE}-byte pages`)
  }
  try {
    switch (kind) {
      case 'plain':
        return { kind, bytes: new Uint8Array(new ArrayBuffer(byteLength)) }
      case 'shared':
        return { kind, bytes: new Uint8Array(new SharedArrayBuffer(byteLength)) }
      case 'wasm':
      case 'local': {
        const pages = Math.ceil((byteLength + WASM_PRIVATE_BYTES) / WASM_PAGE_SIZE)
        const wasm = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: kind === 'wasm' })
        return { kind, bytes: new Uint8Array(wasm.buffer, 0, byteLength), wasm }
      }
    }
  } catch (cause) {
    const mib = byteLength / 2 ** 20
    throw new MemoryError('exhausted', `${mib} MiB of guest memory of kind ${kind} cannot be had; ask for less`, {
      cause,
    })
  }
}
