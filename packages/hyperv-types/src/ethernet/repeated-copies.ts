import { copyBytes, copyWords } from './copy-bytes.ts'

/** Up to here copying words beats a bulk copy, which has to be called. */
const WORD_COPY_BYTES = 128
const SLOTS = 64
const BUFFERS = 16
const NONE = new Uint8Array(0)

/**
 * Copies out of a few buffers, again and again from the same places. A bulk copy of part of an array wants a window as long
 * as what is copied: one is made for a place and length that come back, and kept; what comes once is copied word by word.
 * So nothing is allocated for each copy. Short copies and those of whole arrays need no window.
 */
export class RepeatedCopies {
  #from: Uint8Array = NONE
  #fromView: DataView = new DataView(NONE.buffer)
  /** The last few buffers, each with a view: several channels have one each. */
  readonly #met: Uint8Array[] = new Array<Uint8Array>(BUFFERS).fill(NONE)
  readonly #views: DataView[] = new Array<DataView>(BUFFERS).fill(this.#fromView)
  #oldest = 0
  /** Where the windows lie. */
  #windowed: Uint8Array = NONE
  readonly #starts = new Int32Array(SLOTS)
  readonly #lengths = new Int32Array(SLOTS)
  readonly #windows: Uint8Array[] = new Array<Uint8Array>(SLOTS).fill(NONE)

  /** @param toView on the bytes of `to`; the buffers do not overlap */
  copy(to: Uint8Array, toView: DataView, at: number, from: Uint8Array, fromAt: number, length: number): void {
    if (length === from.length) {
      copyBytes(to, at, from, fromAt, length)
      return
    }
    if (from !== this.#from) this.#meet(from)
    if (length <= WORD_COPY_BYTES) {
      copyWords(toView, at, this.#fromView, fromAt, length)
      return
    }
    if (from !== this.#windowed) this.#rewindow(from)
    // Frames begin at multiples of 8 mostly; pieces of a large one are an odd number of 8 bytes apart.
    const slot = (fromAt >> 3) & (SLOTS - 1)
    if (this.#starts[slot] !== fromAt || this.#lengths[slot] !== length) {
      this.#starts[slot] = fromAt
      this.#lengths[slot] = length
      this.#windows[slot] = NONE
      copyWords(toView, at, this.#fromView, fromAt, length)
      return
    }
    let window = this.#windows[slot] ?? NONE
    if (window.length !== length) {
      window = from.subarray(fromAt, fromAt + length)
      this.#windows[slot] = window
    }
    to.set(window, at)
  }

  #meet(from: Uint8Array): void {
    this.#from = from
    const known = this.#met.indexOf(from)
    const view = known < 0 ? undefined : this.#views[known]
    this.#fromView = view ?? this.#add(from)
  }

  #add(from: Uint8Array): DataView {
    const view = new DataView(from.buffer, from.byteOffset, from.byteLength)
    this.#met[this.#oldest] = from
    this.#views[this.#oldest] = view
    this.#oldest = (this.#oldest + 1) % BUFFERS
    return view
  }

  #rewindow(from: Uint8Array): void {
    this.#windowed = from
    this.#lengths.fill(0)
    this.#windows.fill(NONE)
  }
}
