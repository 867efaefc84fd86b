import { EVENT_FLAGS_BYTES, EVENT_FLAGS_PER_SINT, SINT_COUNT } from '../hypervisor/index.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { PAGE_SIZE } from '../memory/page.ts'

/** Each processor has a cache line of its own. */
const LINE_WORDS = 16
/** Roots that are setting a flag at this moment. */
const USERS = 0
/** Bit n: flags of SINT n may be set from here. */
const SINTS = 1
/** Page frame of the event flags. */
const FRAME = 2
const SINT_WORDS = EVENT_FLAGS_BYTES / 4
/** How often to look whether the root has set its flag before it counts as dead: some milliseconds. */
const PATIENCE = 1_000_000

/**
 * Where a root in another thread finds the event flags of processors that run in threads of their own: it sets a flag
 * and wakes the processor's thread by itself.
 */
export class EventTargets {
  readonly #words: Int32Array
  readonly #memory: GuestMemory | undefined
  /** Event-flags pages by processor, as they were last seen. */
  readonly #pages = new Map<number, { readonly frame: number; readonly flags: Int32Array }>()

  static allocate(processorCount: number): SharedArrayBuffer {
    return new SharedArrayBuffer(processorCount * LINE_WORDS * 4)
  }

  /** @param memory the partition's, for the root */
  constructor(buffer: SharedArrayBuffer, memory?: GuestMemory) {
    this.#words = new Int32Array(buffer)
    this.#memory = memory
  }

  /** Of the hypervisor: from now on the root reaches these SINTs. @param gpa of the event-flags page */
  open(vp: number, sints: number, gpa: number): void {
    Atomics.store(this.#words, vp * LINE_WORDS + FRAME, (gpa / PAGE_SIZE) | 0)
    Atomics.store(this.#words, vp * LINE_WORDS + SINTS, sints)
  }

  /** Of the hypervisor: once this returns, the root touches the page no more. */
  close(vp: number): void {
    if (Atomics.exchange(this.#words, vp * LINE_WORDS + SINTS, 0) === 0) return
    // A matter of nanoseconds, unless the root's thread was killed in between.
    let looks = 0
    while (Atomics.load(this.#words, vp * LINE_WORDS + USERS) !== 0 && looks < PATIENCE) looks++
  }

  /**
   * Of the root: sets a flag and wakes the thread that waits for it.
   * @returns false when the flag cannot be set from here, whether or not there is such a processor
   */
  signal(vp: number, sint: number, flag: number): boolean {
    const base = vp * LINE_WORDS
    if (!isBelow(vp, this.#words.length / LINE_WORDS) || !isBelow(sint, SINT_COUNT)) return false
    if (!isBelow(flag, EVENT_FLAGS_PER_SINT) || !this.#isOpen(base, sint)) return false
    Atomics.add(this.#words, base + USERS, 1)
    const open = this.#isOpen(base, sint)
    const page = open ? this.#page(vp, Atomics.load(this.#words, base + FRAME) >>> 0) : undefined
    if (page !== undefined) setFlag(page, sint, flag)
    Atomics.sub(this.#words, base + USERS, 1)
    return page !== undefined
  }

  #isOpen(base: number, sint: number): boolean {
    return ((Atomics.load(this.#words, base + SINTS) >>> sint) & 1) !== 0
  }

  #page(vp: number, frame: number): Int32Array | undefined {
    const known = this.#pages.get(vp)
    if (known?.frame === frame) return known.flags
    const bytes = this.#memory?.bytesAt(frame * PAGE_SIZE, PAGE_SIZE)
    if (bytes === undefined) return undefined
    const flags = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4)
    this.#pages.set(vp, { frame, flags })
    return flags
  }
}

/**
 * Sets a flag in an event-flags page and wakes threads that wait on its word.
 * @returns whether it was clear
 */
export function setFlag(page: Int32Array, sint: number, flag: number): boolean {
  const word = sint * SINT_WORDS + (flag >>> 5)
  const bit = 1 << (flag & 31)
  const wasClear = (Atomics.or(page, word, bit) & bit) === 0
  if (wasClear) Atomics.notify(page, word)
  return wasClear
}

function isBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit
}
