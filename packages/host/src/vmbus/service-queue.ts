import type { Clock } from '@bis/hyperv-types'

/** Something that is served a bit at a time. */
export interface Serviceable {
  /** Whose turn it takes: all of one guest share a lane. */
  readonly lane: object
  /** Does a bounded amount of work. @returns whether there is more */
  service(): boolean
}

/** Turns in one task before the event loop gets its own. */
const TURNS_PER_TASK = 64
/** Milliseconds after the first turn when a task ends early. */
const TASK_MS = 4

/**
 * Shares one thread between the channels of all guests: guests take turns, and so do the channels of one guest, so neither
 * a busy channel nor a guest with many keeps the others waiting.
 */
export class ServiceQueue {
  readonly #clock: Clock
  /** What waits, by lane; lanes stay where they are, so that service by the packet makes no garbage. */
  readonly #lanes = new WeakMap<object, Serviceable[]>()
  /** Lanes in which something waits, in the order of their turns. */
  readonly #turns: Serviceable[][] = []
  #scheduled = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Puts it in the queue, once however often it is asked. */
  add(item: Serviceable): void {
    let lane = this.#lanes.get(item.lane)
    if (lane === undefined) {
      lane = []
      this.#lanes.set(item.lane, lane)
    }
    if (lane.includes(item)) return
    if (lane.length === 0) this.#turns.push(lane)
    lane.push(item)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(this.#run)
  }

  /** Forgets an item that wants no service any more. */
  remove(item: Serviceable): void {
    const lane = this.#lanes.get(item.lane)
    const at = lane?.indexOf(item) ?? -1
    if (lane === undefined || at < 0) return
    lane.splice(at, 1)
    if (lane.length === 0) this.#turns.splice(this.#turns.indexOf(lane), 1)
  }

  readonly #run = (): void => {
    this.#serveNext()
    // One who is alone is served without a look at the clock, which costs as much as a packet or two.
    if (this.#turns.length > 0) this.#serveMore()
    this.#scheduled = this.#turns.length > 0
    if (this.#scheduled) this.#clock.later(this.#run)
  }

  #serveMore(): void {
    const end = this.#clock.now() + TASK_MS
    for (let turn = 1; turn < TURNS_PER_TASK && this.#turns.length > 0; turn++) {
      this.#serveNext()
      if (this.#clock.now() >= end) break
    }
  }

  #serveNext(): void {
    const lane = this.#turns.shift()
    const item = lane?.shift()
    if (lane === undefined || item === undefined) return
    // To the end of the line of guests.
    if (lane.length > 0) this.#turns.push(lane)
    if (item.service()) this.add(item)
  }
}
