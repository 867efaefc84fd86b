import { EVENT_FLAGS_BYTES } from '@bis/hyperv-types/hypervisor'

/** 32-bit words of flags of one SINT. */
const SINT_WORDS = EVENT_FLAGS_BYTES / 4

/** The event-flags page of one virtual processor. */
export class EventFlags {
  readonly #words: Int32Array

  constructor(page: Uint8Array) {
    this.#words = new Int32Array(page.buffer, page.byteOffset, page.byteLength / 4)
  }

  /** Sets a flag, atomically against a guest that clears it. @returns whether it was clear. */
  set(sint: number, flag: number): boolean {
    const bit = 1 << (flag & 31)
    return (Atomics.or(this.#words, sint * SINT_WORDS + (flag >> 5), bit) & bit) === 0
  }
}
