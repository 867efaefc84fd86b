import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'
import { FrameHeaders, Toeplitz } from '@bis/hyperv-types/ethernet'
import type { SendTable } from '../nvs/send-table.ts'
import { FrameRules, NO_CAPABILITIES } from './frame-rules.ts'
import type { TransmitQueue } from './transmit-queue.ts'

/** Gives each frame of an interface to the queue of its flow: a flow's frames stay in order. */
export class Transmitter {
  rules = new FrameRules(NO_CAPABILITIES, 0)
  #queues: readonly TransmitQueue[] = []
  #table: SendTable | undefined
  #batching = false
  #toeplitz = new Toeplitz()
  readonly #headers = new FrameHeaders()

  /** Frames go to these queues from now on; none: nothing is taken. */
  use(queues: readonly TransmitQueue[], table?: SendTable): void {
    this.#queues = queues
    this.#table = table
  }

  /** Flows are told apart with this key from now on. */
  setKey(key: ArrayLike<number>): void {
    this.#toeplitz = new Toeplitz(key)
  }

  transmit(bytes: Uint8Array, offset: number, length: number, offload: FrameOffload | undefined): TransmitStatus {
    if (!this.rules.accepts(bytes, offset, length, offload)) return TransmitStatus.refused
    const queues = this.#queues
    const count = queues.length
    let hash = 0
    let index = 0
    if (count > 1) {
      hash = offload !== undefined && offload.hash !== 0 ? offload.hash | 0 : this.#hash(bytes, offset, length)
      index = this.#table?.channelOf(hash, count) ?? 0
    }
    const queue = queues[index]
    return queue === undefined ? TransmitStatus.down : queue.transmit(bytes, offset, length, offload, hash)
  }

  beginBatch(): void {
    const queues = this.#queues
    if (queues.length === 0 || this.#batching) return
    this.#batching = true
    for (let i = 0; i < queues.length; i++) queues[i]?.beginBatch()
  }

  endBatch(): void {
    if (!this.#batching) return
    this.#batching = false
    const queues = this.#queues
    for (let i = 0; i < queues.length; i++) queues[i]?.endBatch()
  }

  /** Sends what was held back where there may be room now. @returns whether somebody who was told `full` may try again */
  roomAgain(): boolean {
    const queues = this.#queues
    let room = false
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i]
      if (queue === undefined || !queue.stalled) continue
      queue.flush()
      if (!queue.hasRoom) continue
      queue.stalled = false
      room = true
    }
    return room
  }

  /** A queue of which the host has completed nothing since this was last asked, although it had messages then. */
  stuck(): TransmitQueue | undefined {
    // All are asked, as each notes what it has seen.
    const [stuck] = this.#queues.filter((queue) => queue.isStuck())
    return stuck
  }

  #hash(bytes: Uint8Array, offset: number, length: number): number {
    this.#headers.read(bytes, offset, offset + length)
    return this.#toeplitz.ofFrame(bytes, this.#headers, true)
  }
}
