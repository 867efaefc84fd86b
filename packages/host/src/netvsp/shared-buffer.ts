import type { GuestMemory, HostGpadl } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { copyBytes } from '@bis/hyperv-types/ethernet'

/** A buffer that the guest shared by GPADL: copies in and out, whatever pages it is made of. */
export class SharedBuffer {
  readonly handle: number
  readonly byteLength: number
  readonly #contiguous: Uint8Array | undefined
  readonly #pages: readonly Uint8Array[]

  constructor(gpadl: HostGpadl, memory: GuestMemory) {
    this.handle = gpadl.handle
    this.byteLength = gpadl.byteLength
    this.#contiguous = gpadl.contiguous
    this.#pages =
      gpadl.contiguous === undefined ? Array.from(gpadl.pfns, (pfn) => memory.bytesAt(pfn * PAGE_SIZE, PAGE_SIZE)) : []
  }

  /** The caller has checked that the range lies inside. */
  copyOut(at: number, to: Uint8Array, toAt: number, length: number): void {
    if (this.#contiguous !== undefined) {
      copyBytes(to, toAt, this.#contiguous, at, length)
      return
    }
    for (let done = 0; done < length; ) {
      const within = (at + done) % PAGE_SIZE
      const part = Math.min(PAGE_SIZE - within, length - done)
      const page = this.#pages[Math.floor((at + done) / PAGE_SIZE)]
      if (page !== undefined) copyBytes(to, toAt + done, page, within, part)
      done += part
    }
  }

  copyIn(at: number, from: Uint8Array, fromAt: number, length: number): void {
    if (this.#contiguous !== undefined) {
      copyBytes(this.#contiguous, at, from, fromAt, length)
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
