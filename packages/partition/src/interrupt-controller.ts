import type { Clock } from '@bis/hyperv-types'

const VECTORS = 256
const NMI_VECTOR = 2
/** Vectors below this are the processor's own exceptions. */
export const FIRST_VECTOR = 16
/** Interrupts taken in one go before the rest of the process gets a turn. */
const BUDGET = 64

/**
 * The local APIC of one virtual processor, as far as interrupts go: a request is taken when its priority class is above
 * the task priority and above what is in service; an interrupt stays in service until the end-of-interrupt register is
 * written, unless its source has auto-EOI. Requests for one vector coalesce. Service routines run from the clock's
 * queue, never inside the call that requests the interrupt. Nothing here allocates.
 */
export class InterruptController {
  readonly #clock: Clock
  readonly #routines: ((() => void) | undefined)[] = new Array(VECTORS).fill(undefined)
  readonly #requested = new Uint32Array(VECTORS / 32)
  readonly #inService = new Uint32Array(VECTORS / 32)
  /** Whether the last request for a vector came with auto-EOI. */
  readonly #autoEoi = new Uint8Array(VECTORS)
  #nmiRequested = false
  #scheduled = false
  #taskPriority = 0
  #spurious = 0
  readonly #run = (): void => this.#takeAll()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Interrupts that found no service routine. */
  get spurious(): number {
    return this.#spurious
  }

  /** The task priority register: bits 7:4 are the class up to which interrupts wait. */
  get taskPriority(): number {
    return this.#taskPriority
  }

  set taskPriority(value: number) {
    this.#taskPriority = value
    this.#schedule()
  }

  setRoutine(vector: number, routine: (() => void) | undefined): void {
    this.#routines[vector] = routine
  }

  request(vector: number, autoEoi: boolean): void {
    setBit(this.#requested, vector)
    this.#autoEoi[vector] = autoEoi ? 1 : 0
    this.#schedule()
  }

  requestNmi(): void {
    this.#nmiRequested = true
    this.#schedule()
  }

  /** The guest is done with the interrupt of highest priority in service. */
  endOfInterrupt(): void {
    const vector = highestBit(this.#inService)
    if (vector < 0) return
    clearBit(this.#inService, vector)
    this.#schedule()
  }

  /** Forgets everything, the service routines too: they belong to the guest that was. */
  reset(): void {
    this.#routines.fill(undefined)
    this.#requested.fill(0)
    this.#inService.fill(0)
    this.#nmiRequested = false
    this.#taskPriority = 0
  }

  #schedule(): void {
    if (this.#scheduled || !this.#ready()) return
    this.#scheduled = true
    this.#clock.soon(this.#run)
  }

  #ready(): boolean {
    return this.#nmiRequested || this.#deliverable() >= 0
  }

  /** The vector to take next, or -1. */
  #deliverable(): number {
    const vector = highestBit(this.#requested)
    if (vector < 0) return -1
    const floor = Math.max(this.#taskPriority, highestBit(this.#inService)) >> 4
    return vector >> 4 > floor ? vector : -1
  }

  #takeAll(): void {
    this.#scheduled = false
    let taken = 0
    try {
      while (taken < BUDGET && this.#takeOne()) taken++
    } finally {
      // After a routine that threw, and after a full budget, the rest waits for a turn of the event loop.
      if (!this.#scheduled && this.#ready()) {
        this.#scheduled = true
        this.#clock.later(this.#run)
      }
    }
  }

  #takeOne(): boolean {
    if (this.#nmiRequested) {
      this.#nmiRequested = false
      this.#call(NMI_VECTOR)
      return true
    }
    const vector = this.#deliverable()
    if (vector < 0) return false
    clearBit(this.#requested, vector)
    if (this.#routines[vector] !== undefined && this.#autoEoi[vector] === 0) setBit(this.#inService, vector)
    this.#call(vector)
    return true
  }

  #call(vector: number): void {
    const routine = this.#routines[vector]
    if (routine === undefined) this.#spurious++
    else routine()
  }
}

function setBit(words: Uint32Array, bit: number): void {
  const index = bit >> 5
  words[index] = (words[index] ?? 0) | (1 << (bit & 31))
}

function clearBit(words: Uint32Array, bit: number): void {
  const index = bit >> 5
  words[index] = (words[index] ?? 0) & ~(1 << (bit & 31))
}

/** The highest bit set, or -1. */
function highestBit(words: Uint32Array): number {
  for (let index = words.length - 1; index >= 0; index--) {
    const word = words[index] ?? 0
    if (word !== 0) return index * 32 + 31 - Math.clz32(word)
  }
  return -1
}
