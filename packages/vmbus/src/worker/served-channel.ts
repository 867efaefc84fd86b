import type { ChannelHandlers, ChannelOffer, ChannelStatistics, PacketSender, SendStatus } from '@bis/hyperv-types'
import type { ChannelCounters } from '../channel/counters.ts'
import type { DataPath } from '../channel/data-path.ts'

export interface ServeOptions extends ChannelHandlers {
  readonly budget?: number
  /** The bus took the channel back (closed, rescinded, moved): no handler runs any more. */
  onStopped?(): void
}

/** A channel served in this thread. */
export interface ServedChannel extends PacketSender {
  readonly offer: ChannelOffer
  readonly statistics: ChannelStatistics
  /** Gives the channel back to the bus; no handler runs any more. */
  release(): void
}

export interface ServedParts {
  readonly offer: ChannelOffer
  readonly path: DataPath
  readonly counters: ChannelCounters
  readonly release: () => void
  readonly onStopped: () => void
}

/** A data path in this thread, as its user sees it and as its processor ends it. */
export class Served implements ServedChannel {
  readonly offer: ChannelOffer
  readonly path: DataPath
  readonly release: () => void
  readonly #counters: ChannelCounters
  readonly #onStopped: () => void

  constructor({ offer, path, counters, release, onStopped }: ServedParts) {
    this.offer = offer
    this.path = path
    this.release = release
    this.#counters = counters
    this.#onStopped = onStopped
  }

  get statistics(): ChannelStatistics {
    return this.#counters
  }

  send(
    type: number,
    flags: number,
    transactionIdLow: number,
    transactionIdHigh: number,
    header: Uint8Array | undefined,
    headerLength: number,
    data: Uint8Array,
    dataOffset: number,
    dataLength: number,
  ): SendStatus {
    const { path } = this
    return path.send(
      type,
      flags,
      transactionIdLow,
      transactionIdHigh,
      header,
      headerLength,
      data,
      dataOffset,
      dataLength,
    )
  }

  beginBatch(): void {
    this.path.beginBatch()
  }

  endBatch(): void {
    this.path.endBatch()
  }

  /** The processor serves it no more. */
  end(): void {
    this.#counters.settle()
    this.path.stop()
    this.#onStopped()
  }
}
