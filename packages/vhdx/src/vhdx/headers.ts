import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at, DiskImageError } from '../errors.ts'
import { sameBytes } from '../shared/guid.ts'
import type { Header } from './header.ts'
import { chooseHeader, encodeHeader, HEADER_BYTES } from './header.ts'
import { HEADER_OFFSETS } from './layout.ts'

/** The pair of headers of an open file: knows which one counts and always overwrites the other. */
export class Headers {
  readonly #backend: Backend
  #current: Header
  #slot: 0 | 1
  #bytes: Uint8Array

  private constructor(backend: Backend, current: Header, slot: 0 | 1, bytes: Uint8Array) {
    this.#backend = backend
    this.#current = current
    this.#slot = slot
    this.#bytes = bytes
  }

  static async read(backend: Backend): Promise<Headers> {
    const copies: [Uint8Array, Uint8Array] = [new Uint8Array(HEADER_BYTES), new Uint8Array(HEADER_BYTES)]
    await readZeroPadded(backend, HEADER_OFFSETS[0], copies[0])
    await readZeroPadded(backend, HEADER_OFFSETS[1], copies[1])
    const { header, slot } = chooseHeader(copies)
    return new Headers(backend, header, slot, copies[slot])
  }

  get current(): Readonly<Header> {
    return this.#current
  }

  /** Makes a header with these changes the current one, and stable. */
  async update(changes: Partial<Header>): Promise<void> {
    await this.#mustBeOurs()
    const header = { ...this.#current, ...changes, sequence: this.#current.sequence + 1 }
    const slot = this.#slot === 0 ? 1 : 0
    const bytes = encodeHeader(header)
    await this.#backend.write(HEADER_OFFSETS[slot], bytes)
    await this.#backend.flush()
    this.#current = header
    this.#slot = slot
    this.#bytes = bytes
  }

  /** Notices another program that has the file open for writing: it will have changed the headers. */
  async #mustBeOurs(): Promise<void> {
    const now = new Uint8Array(HEADER_BYTES)
    await readZeroPadded(this.#backend, HEADER_OFFSETS[this.#slot], now)
    if (!sameBytes(now, this.#bytes)) {
      throw new DiskImageError(
        'in-use',
        `the VHDX header at ${at(HEADER_OFFSETS[this.#slot])} was changed by someone else while the image was open; close the other program and open the image again`,
      )
    }
  }
}
