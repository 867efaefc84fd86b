import type { Clock, GuestMemory, PortDelivery, SynicPorts, SynicRoot } from '@bis/hyperv-types'
import { EventTargets, SignalBoard } from '@bis/hyperv-types/threads'
import type { ThreadReach } from '../processor-threads.ts'

/**
 * Ports of a partition in another thread, some of whose processors may run in further threads: events for those go
 * straight to them, and what they signal comes straight from them. All else goes through the partition's thread.
 */
export class ThreadPorts implements SynicPorts {
  readonly memory: GuestMemory
  readonly processorCount: number
  readonly #remote: SynicPorts
  readonly #targets: EventTargets
  readonly #board: SignalBoard
  readonly #vpIndices: readonly number[]
  readonly #clock: Clock
  #root: SynicRoot | undefined
  #ended = false
  #waiting = false
  readonly #report = (connectionId: number, row: number): void => {
    this.#root?.eventSignaled(connectionId, 0, this.#vpIndices[row] ?? 0)
  }
  readonly #woken = (): void => {
    this.#waiting = false
    this.#look()
  }

  constructor(remote: SynicPorts, { signals, targets, vpIndices }: ThreadReach, clock: Clock) {
    this.memory = remote.memory
    this.processorCount = remote.processorCount
    this.#remote = remote
    this.#targets = new EventTargets(targets, remote.memory)
    this.#board = new SignalBoard(signals)
    this.#vpIndices = vpIndices
    this.#clock = clock
  }

  postMessage(vp: number, sint: number, messageType: number, payload: Uint8Array): PortDelivery {
    return this.#remote.postMessage(vp, sint, messageType, payload)
  }

  signalEvent(vp: number, sint: number, flag: number): PortDelivery {
    if (!this.#ended && this.#targets.signal(vp, sint, flag)) return 'delivered'
    return this.#remote.signalEvent(vp, sint, flag)
  }

  connect(root: SynicRoot): () => void {
    const disconnect = this.#remote.connect(root)
    this.#root = root
    this.#look()
    return () => {
      if (this.#root === root) this.#root = undefined
      disconnect()
    }
  }

  /** The partition has gone. */
  end(): void {
    this.#ended = true
    this.#root = undefined
  }

  /** Without a root, signals stay where they are for the next. */
  #look(): void {
    if (this.#ended || this.#root === undefined || this.#waiting) return
    this.#board.take(this.#report)
    this.#waiting = true
    if (!this.#board.wait(this.#woken)) this.#clock.later(this.#woken)
  }
}
