import type { ChannelOpenOptions, Gpadl } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'
import type { ChannelBus } from './channel-bus.ts'
import type { ChannelCounters } from './counters.ts'
import { DataPath, DEFAULT_BUDGET } from './data-path.ts'
import type { ChannelRings } from './rings.ts'
import { reopenRings } from './rings.ts'
import type { Signal } from './signal.ts'

/** A thread that serves the channel's rings in place of the bus. */
export interface Lease {
  /** Resolves when the thread has let go of the rings; false when it did not answer. */
  end(): Promise<boolean>
}

export interface OpenedParts {
  readonly bus: ChannelBus
  /** For log lines: `channel 5`. */
  readonly name: string
  readonly options: ChannelOpenOptions
  readonly rings: ChannelRings
  readonly gpadl: Gpadl
  readonly signal: Signal
  readonly counters: ChannelCounters
  /** Takes away what is published of the open channel. */
  readonly unpublish: () => void
}

/** What a channel has while it is open: its rings, served here by a data path or lent to a thread that serves them. */
export class Opened {
  readonly options: ChannelOpenOptions
  readonly gpadl: Gpadl
  readonly #parts: OpenedParts
  #rings: ChannelRings
  #path: DataPath | undefined
  #lease: Lease | undefined
  #ended = false

  constructor(parts: OpenedParts) {
    this.options = parts.options
    this.gpadl = parts.gpadl
    this.#parts = parts
    this.#rings = parts.rings
    this.#path = this.#serve()
  }

  get rings(): ChannelRings {
    return this.#rings
  }

  /** Undefined while another thread serves the rings, and after the end. */
  get path(): DataPath | undefined {
    return this.#path
  }

  get isLent(): boolean {
    return this.#lease !== undefined
  }

  /** Signals the host for a thread that has written into the rings. */
  signalHost(): void {
    this.#parts.signal()
  }

  /** Another thread serves the rings from now on. @throws ChannelError `invalid-state` when one does already */
  lend(lease: Lease): void {
    if (this.#path === undefined) throw new ChannelError('invalid-state', `${this.#parts.name} is not served here`)
    this.#stopServing()
    this.#lease = lease
  }

  /** Serves the rings here again. @throws ChannelError `invalid-state` when the thread does not let go of them */
  async takeBack(): Promise<void> {
    const lease = this.#lease
    if (lease === undefined) return
    const { bus, name } = this.#parts
    const quiet = await lease.end()
    if (this.#ended || this.#lease !== lease) return
    if (!quiet) throw new ChannelError('invalid-state', `the thread of ${name} does not let go of its rings`)
    this.#lease = undefined
    this.#rings = reopenRings(this.#rings, (gpa) => bus.ringEngine(gpa))
    this.#path = this.#serve()
  }

  /** No handler runs from now on; the rings stay as they are until {@link giveBack}. */
  end(): void {
    this.#ended = true
    this.#stopServing()
    this.#parts.unpublish()
  }

  /** After the end: gives the rings' pages back when no thread touches them any more. */
  async giveBack(): Promise<void> {
    const { bus, name } = this.#parts
    const { run } = this.#rings
    const quiet = (await this.#lease?.end()) ?? true
    if (quiet) {
      bus.pages.free(run)
    } else {
      bus.log.log('error', `${name}: its thread does not let go of the rings; their pages are lost`)
      bus.pages.leak(run)
    }
  }

  /** From where the rings stand. */
  #serve(): DataPath {
    const { bus, name, options, signal, counters } = this.#parts
    const { producer, consumer } = this.#rings
    counters.follow(producer, consumer)
    const path = new DataPath({
      producer,
      consumer,
      handlers: options,
      signal,
      counters,
      clock: bus.clock,
      log: bus.log,
      name,
      budget: options.budget ?? DEFAULT_BUDGET,
      fullRingPollMs: bus.timing.fullRingPollMs,
      schedule: (task) => bus.schedule(task),
      scheduleLater: (task) => bus.scheduleLater(task),
    })
    // The host may have signalled before there was anyone to hear it.
    path.kick()
    return path
  }

  #stopServing(): void {
    if (this.#path === undefined) return
    this.#parts.counters.settle()
    this.#path.stop()
    this.#path = undefined
  }
}
