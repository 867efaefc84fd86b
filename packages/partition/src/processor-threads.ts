import type { Clock, SignalLink } from '@bis/hyperv-types'
import { EventTargets, SignalBoard } from '@bis/hyperv-types/threads'
import type { VirtualProcessor } from './virtual-processor.ts'

/** What a root in another thread reaches threads of the guest's with; passes through postMessage. */
export interface ThreadReach {
  readonly signals: SharedArrayBuffer
  readonly targets: SharedArrayBuffer
  /** VP index of each row of the signals. */
  readonly vpIndices: readonly number[]
}

export interface ProcessorThreadsParts {
  readonly clock: Clock
  readonly processors: readonly VirtualProcessor[]
  /** A thread signalled a connection, and the root is in this thread. */
  signaled(connectionId: number, vp: number): void
}

/**
 * Processors of the guest's that run in threads of their own. What they signal lies on a board in shared memory: a root
 * in another thread takes it from there by itself, any other root gets it from here.
 */
export class ProcessorThreads {
  readonly #parts: ProcessorThreadsParts
  readonly #buffer: SharedArrayBuffer
  readonly #board: SignalBoard
  /** Threads have signals to take. */
  #used = false
  /** A root in another thread takes them. */
  #lent = false
  #waiting = false
  readonly #report = (connectionId: number, row: number): void => {
    this.#parts.signaled(connectionId, this.#parts.processors[row]?.index ?? 0)
  }

  constructor(parts: ProcessorThreadsParts) {
    this.#parts = parts
    this.#buffer = SignalBoard.allocate(parts.processors.length)
    this.#board = new SignalBoard(this.#buffer)
  }

  enter(vp: VirtualProcessor, sint: number): SignalLink {
    vp.synic.enterThread(sint)
    this.#used = true
    this.#look()
    return { board: this.#buffer, row: vp.cpu }
  }

  /** @returns also how to end it: the root touches no flags then, and signals are taken here again */
  lend(): ThreadReach & { end(): void } {
    const { processors } = this.#parts
    const limit = Math.max(...processors.map(({ index }) => index)) + 1
    const buffer = EventTargets.allocate(limit)
    const targets = new EventTargets(buffer)
    for (const { index, synic } of processors) {
      synic.lendFlags({ open: (sints, page) => targets.open(index, sints, page), close: () => targets.close(index) })
    }
    this.#lent = true
    return {
      signals: this.#buffer,
      targets: buffer,
      vpIndices: processors.map(({ index }) => index),
      end: () => {
        for (const { synic } of processors) synic.lendFlags(undefined)
        this.#lent = false
        this.#look()
      },
    }
  }

  #look(): void {
    if (!this.#used || this.#lent || this.#waiting) return
    this.#board.take(this.#report)
    this.#waiting = true
    const woken = (): void => {
      this.#waiting = false
      this.#look()
    }
    if (!this.#board.wait(woken)) this.#parts.clock.later(woken)
  }
}
