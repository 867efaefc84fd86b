import type { SendStatus } from '../interfaces/channel.ts'
import type { HostChannel, HostGpadl } from '../interfaces/host-channel.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { PAGE_SIZE } from '../memory/page.ts'
import { longestPacket } from '../ring/size.ts'
import type { LoopbackConnection } from './connection.ts'
import type { Counters, RingEnd } from './ring-end.ts'
import { newCounters } from './ring-end.ts'

/** The host's end of an open channel. */
export class LoopbackHostChannel implements HostChannel {
  readonly channelId: number
  readonly subIndex: number
  readonly userData: Uint8Array
  readonly longestPacket: number
  readonly statistics: Counters = newCounters()
  /** Why the device gave the channel up. */
  failure: string | undefined
  #end: RingEnd | undefined
  readonly #connection: LoopbackConnection

  /** @param ringBytes the ring to the guest, header page included */
  constructor(
    connection: LoopbackConnection,
    channelId: number,
    subIndex: number,
    userData: Uint8Array,
    ringBytes: number,
  ) {
    this.#connection = connection
    this.channelId = channelId
    this.subIndex = subIndex
    this.userData = userData
    this.longestPacket = longestPacket(ringBytes - PAGE_SIZE)
  }

  get memory(): GuestMemory {
    return this.#connection.memory
  }

  get protocolVersion(): number {
    return this.#connection.protocolVersion
  }

  connect(end: RingEnd): void {
    this.#end = end
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
    const end = this.#end
    if (end === undefined) return GONE
    return end.send(
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
    this.#end?.beginBatch()
  }

  endBatch(): void {
    this.#end?.endBatch()
  }

  pause(): void {
    this.#end?.pause()
  }

  resume(): void {
    this.#end?.resume()
  }

  gpadl(handle: number): HostGpadl | undefined {
    return this.#connection.gpadls.get(handle)
  }

  fail(reason: string): void {
    this.failure = reason
    this.#end?.stop()
  }
}

const GONE: SendStatus = 2
