import type { Clock } from '@bis/hyperv-types'

/** Something that is served a bit at a time. */
export interface Serviceable {
  /** Whose turn it takes: all of one guest share a lane. */
  readonly lane: object
  /** Does a bounded amount of work. @returns whether there is more */
  service(): boolean
}

/** Turns in one task before the event loop gets its own. */
const TURNS_PER_TASK = 16
/** Milliseconds after which a task ends early. */
const TASK_MS = 4

/**
 * Shares one thread between the channels of all guests: guests take turns, and so do the channels of one guest, so neither
 * a busy channel nor a guest with many keeps the others waiting.
 */
export class ServiceQueue {
  readonly #clock: Clock
  readonly #lanes = new Map<object, Serviceable[]>()
  readonly #waiting = new Set<Serviceable>()
  #scheduled = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Puts it in the queue, once however often it is asked. */
  add(item: Serviceable): void {
    if (this.#waiting.has(item)) return
    this.#waiting.add(item)
    const lane = this.#lanes.get(item.lane)
    if (lane === undefined) this.#lanes.set(item.lane, [item])
    else lane.push(item)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(this.#run)
  }

  /** Forgets an item that wants no service any more. */
  remove(item: Serviceable): void {
    if (!this.#waiting.delete(item)) return
    const lane = this.#lanes.get(item.lane)
    lane?.splice(lane.indexOf(item), 1)
    if (lane?.length === 0) this.#lanes.delete(item.lane)
  }

  readonly #run = (): void => {
    const end = this.#clock.now() + TASK_MS
    for (let turn = 0; turn < TURNS_PER_TASK && this.#waiting.size > 0; turn++) {
      this.#serveNext()
      if (this.#clock.now() >= end) break
    }
    this.#scheduled = this.#waiting.size > 0
    if (this.#scheduled) this.#clock.later(this.#run)
  }

  #serveNext(): void {
    for (const [key, lane] of this.#lanes) {
      const item = lane.shift()
      // To the end of the line of guests.
      this.#lanes.delete(key)
      if (lane.length > 0) this.#lanes.set(key, lane)
      if (item === undefined) continue
      this.#waiting.delete(item)
      if (item.service()) this.add(item)
      return
    }
  }
}
