import type { EthernetInterface } from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'
import type { Sent } from './frames.ts'

/** Receive buffers on their way at most, of some 9000: a switch drops what a guest has no buffer for. */
const WINDOW_SECTIONS = 4096
const SECTION_BYTES = 1448
/** Milliseconds without a frame after which those that are missing are lost. */
const PATIENCE_MS = 5000

/** Sends the same frames again and again, and waits until all have arrived. */
export class FrameStream {
  readonly #sender: EthernetInterface
  readonly #receiver: EthernetInterface
  readonly #traffic: readonly Sent[]
  readonly #burst: number
  #arrived = 0
  /** Bytes that arrive for each frame: more than were sent when it is cut into several. */
  #wanted = 0

  /** @param burst frames handed over at once */
  constructor(sender: EthernetInterface, receiver: EthernetInterface, traffic: readonly Sent[], burst: number) {
    this.#sender = sender
    this.#receiver = receiver
    this.#traffic = traffic
    this.#burst = burst
  }

  /** @returns nanoseconds for each of `frames` frames, the last one's way to the receiver included */
  async run(frames: number): Promise<number> {
    this.#receiver.receive((received, count) => {
      for (let i = 0; i < count; i++) this.#arrived += received[i]?.length ?? 0
    })
    if (this.#wanted === 0) this.#wanted = await this.#learnWanted()
    this.#arrived = 0
    const start = performance.now()
    await this.#send(frames)
    await this.#settle(frames)
    return ((performance.now() - start) * 1e6) / frames
  }

  async #learnWanted(): Promise<number> {
    const first = this.#traffic[0]
    const length = first?.bytes.length ?? 0
    if (first?.offload === undefined || first.offload.segmentSize === 0) return length
    this.#arrived = 0
    await this.#send(1)
    for (let before = -1; this.#arrived !== before || this.#arrived < length; ) {
      before = this.#arrived
      for (let turn = 0; turn < 20; turn++) await nextTurn()
    }
    return this.#arrived
  }

  async #send(count: number): Promise<void> {
    const traffic = this.#traffic
    const sender = this.#sender
    const window =
      Math.floor(WINDOW_SECTIONS / Math.ceil((traffic[0]?.bytes.length ?? 0) / SECTION_BYTES)) * this.#wanted
    let sent = 0
    let next = 0
    while (sent < count) {
      const batch = Math.min(count - sent, this.#burst)
      sender.beginBatch()
      let taken = 0
      while (taken < batch) {
        const frame = traffic[next]
        if (frame === undefined) break
        if (sender.transmit(frame.bytes, 0, frame.bytes.length, frame.offload) !== TransmitStatus.sent) break
        taken++
        next = next + 1 === traffic.length ? 0 : next + 1
      }
      sender.endBatch()
      sent += taken
      // The rest of the machine runs in tasks; the event loop itself gets a turn when there is no room left.
      if (taken < batch) await nextTurn()
      else await undefined
      while (sent * this.#wanted - this.#arrived > window) await nextTurn()
    }
  }

  async #settle(frames: number): Promise<void> {
    let before = this.#arrived
    for (let since = performance.now(); this.#arrived < frames * this.#wanted; before = this.#arrived) {
      await nextTurn()
      if (this.#arrived !== before) since = performance.now()
      else if (performance.now() > since + PATIENCE_MS) {
        throw new Error(`${this.#arrived / this.#wanted} of ${frames} frames came`)
      }
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
