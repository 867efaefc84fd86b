import { EVENT_FLAGS_BYTES } from '@bis/hyperv-types/hypervisor'
import { setFlag } from '@bis/hyperv-types/threads'

/** 32-bit words of flags of one SINT. */
const SINT_WORDS = EVENT_FLAGS_BYTES / 4

/** The event-flags page of one virtual processor. */
export class EventFlags {
  readonly #words: Int32Array

  constructor(page: Uint8Array) {
    this.#words = new Int32Array(page.buffer, page.byteOffset, page.byteLength / 4)
  }

  /** Sets a flag, atomically against a guest that clears it; threads that wait for it are woken. @returns whether it was clear. */
  set(sint: number, flag: number): boolean {
    return setFlag(this.#words, sint, flag)
  }

  /** Whether a SINT has a flag that is set. */
  any(sint: number): boolean {
    return this.#words.subarray(sint * SINT_WORDS, (sint + 1) * SINT_WORDS).some((word) => word !== 0)
  }
}
