import type { WasmMemory } from '../../memory/backing.ts'

/** The import of a memory: kind 2, flags "shared, with a maximum", 1 page to 65536. */
const SHARED_IMPORT = [2, 3, 1, 128, 128, 4]
const WITH_MAXIMUM = 1

/** Code for both kinds of memory: a shared one, and one of this thread alone. */
export class MemoryCode {
  readonly #bytes: Uint8Array<ArrayBuffer>
  #shared: WebAssembly.Module | undefined
  #local: WebAssembly.Module | undefined

  /** @param bytes a module that imports a shared memory of any size */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes
  }

  moduleFor(memory: WasmMemory): WebAssembly.Module {
    if (memory.buffer instanceof SharedArrayBuffer) {
      this.#shared ??= new WebAssembly.Module(this.#bytes)
      return this.#shared
    }
    this.#local ??= new WebAssembly.Module(unshared(this.#bytes))
    return this.#local
  }
}

/** The same module on a memory that is not shared: atomic instructions work on either. */
function unshared(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = bytes.findIndex((_, i) => SHARED_IMPORT.every((byte, j) => bytes[i + j] === byte))
  if (at < 0) throw new Error('the module imports no shared memory')
  const copy = bytes.slice()
  copy[at + 1] = WITH_MAXIMUM
  return copy
}
