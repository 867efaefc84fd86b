import type { Backend } from '../../src/index.ts'
import { MemoryBackend } from '../../src/index.ts'
import type { Random } from './random.ts'

interface Change {
  issued: number
  /** Event at which it resolved; Infinity while it has not. */
  completed: number
  truncateTo?: number
  offset: number
  bytes: Uint8Array
}

interface Flush {
  issued: number
  completed: number
}

/**
 * A medium that remembers every change and flush in order, and can tell what might be on it if power had failed at
 * any moment: all that a finished flush covers, and of the rest any subset, writes torn at its sectors.
 */
export class CrashMedium {
  readonly #start: Uint8Array
  readonly #changes: Change[] = []
  readonly #flushes: Flush[] = []
  readonly #live: MemoryBackend
  readonly #random: Random
  readonly #sectorSize: number
  #clock = 0

  constructor(random: Random, sectorSize: number, start: Uint8Array = new Uint8Array(0)) {
    this.#sectorSize = sectorSize
    this.#random = random
    this.#start = start
    this.#live = new MemoryBackend(start)
  }

  /** Moments so far; a cut is made at one of them. */
  get now(): number {
    return this.#clock
  }

  tick(): number {
    return ++this.#clock
  }

  /** A handle whose calls take a random number of turns, so that they finish out of order. */
  backend(): Backend {
    return {
      read: async (offset, buffer) => {
        await this.#delay()
        return this.#live.read(offset, buffer)
      },
      write: (offset, bytes) => this.#change({ offset, bytes: bytes.slice() }, () => this.#live.write(offset, bytes)),
      truncate: (size) =>
        this.#change({ offset: 0, bytes: new Uint8Array(0), truncateTo: size }, () => this.#live.truncate(size)),
      flush: async () => {
        const flush = { issued: this.tick(), completed: Number.POSITIVE_INFINITY }
        this.#flushes.push(flush)
        await this.#delay()
        flush.completed = this.tick()
      },
      size: () => this.#live.size(),
      close: async () => {},
    }
  }

  /** What the medium may hold after a cut at that moment. */
  async after(cut: number, random: Random): Promise<MemoryBackend> {
    const medium = new MemoryBackend(this.#start)
    const stable = Math.max(
      -1,
      ...this.#flushes.filter(({ completed }) => completed <= cut).map(({ issued }) => issued),
    )
    // Sometimes all of the rest is lost or kept: the extremes find the most.
    const keep = random.pick([0, 0.1, 0.5, 0.9, 1])
    for (const change of this.#changes) {
      if (change.issued > cut) break
      if (change.completed < stable) await apply(medium, change)
      else if (random.chance(keep)) await apply(medium, change)
      else if (change.truncateTo === undefined && random.chance(0.5)) await this.#applyTorn(medium, change, random)
    }
    return medium
  }

  async #change(values: Pick<Change, 'offset' | 'bytes' | 'truncateTo'>, make: () => Promise<void>): Promise<void> {
    const change: Change = { ...values, issued: this.tick(), completed: Number.POSITIVE_INFINITY }
    this.#changes.push(change)
    await make()
    await this.#delay()
    change.completed = this.tick()
  }

  /** Some of the sectors, others not; the first and last may be parts, as a byte range of a file is no whole sectors. */
  async #applyTorn(medium: MemoryBackend, { offset, bytes }: Change, random: Random): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const step = Math.min(bytes.length - done, this.#sectorSize - ((offset + done) % this.#sectorSize))
      if (random.chance(0.5)) await medium.write(offset + done, bytes.subarray(done, done + step))
      done += step
    }
  }

  async #delay(): Promise<void> {
    for (let turns = this.#random.below(6); turns > 0; turns--) await Promise.resolve()
  }
}

async function apply(medium: MemoryBackend, change: Change): Promise<void> {
  if (change.truncateTo !== undefined) await medium.truncate(change.truncateTo)
  else await medium.write(change.offset, change.bytes)
}
