import type { GuestMemory, HostGpadl } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { copyBytes, RepeatedCopies } from '@bis/hyperv-types/ethernet'
import type { PrivateBuffer } from '@bis/hyperv-types/ring'

/** A buffer that the guest shared by GPADL: copies in and out, whatever pages it is made of. Callers check ranges. */
export class SharedBuffer {
  readonly handle: number
  readonly byteLength: number
  /** To write to in place; undefined when the pages do not follow each other. */
  readonly view: DataView | undefined
  readonly #contiguous: Uint8Array | undefined
  readonly #pages: readonly Uint8Array[]
  readonly #copies = new RepeatedCopies()

  constructor(gpadl: HostGpadl, memory: GuestMemory) {
    const { contiguous } = gpadl
    this.handle = gpadl.handle
    this.byteLength = gpadl.byteLength
    this.#contiguous = contiguous
    if (contiguous === undefined) {
      this.#pages = Array.from(gpadl.pfns, (pfn) => memory.bytesAt(pfn * PAGE_SIZE, PAGE_SIZE))
      return
    }
    this.#pages = []
    this.view = new DataView(contiguous.buffer, contiguous.byteOffset, contiguous.byteLength)
  }

  copyOut(at: number, to: PrivateBuffer, toAt: number, length: number): void {
    if (this.#contiguous !== undefined) {
      to.copyIn(toAt, this.#contiguous, at, length)
      return
    }
    for (let done = 0; done < length; ) {
      const within = (at + done) % PAGE_SIZE
      const part = Math.min(PAGE_SIZE - within, length - done)
      const page = this.#pages[Math.floor((at + done) / PAGE_SIZE)]
      if (page !== undefined) to.copyIn(toAt + done, page, within, part)
      done += part
    }
  }

  copyIn(at: number, from: Uint8Array, fromAt: number, length: number): void {
    if (this.#contiguous !== undefined && this.view !== undefined) {
      this.#copies.copy(this.#contiguous, this.view, at, from, fromAt, length)
      return
    }
    for (let done = 0; done < length; ) {
      const within = (at + done) % PAGE_SIZE
      const part = Math.min(PAGE_SIZE - within, length - done)
      const page = this.#pages[Math.floor((at + done) / PAGE_SIZE)]
      if (page !== undefined) copyBytes(page, within, from, fromAt + done, part)
      done += part
    }
  }
}
