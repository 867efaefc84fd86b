import type { ChannelStatistics } from '@bis/hyperv-types'
import type { RingConsumer, RingProducer } from '@bis/hyperv-types/ring'

/** A channel's counters: they go on over close and reopen, while each pair of rings counts from 0. */
export class ChannelCounters implements ChannelStatistics {
  interrupts = 0
  protocolErrors = 0
  #sent = 0
  #received = 0
  #signals = 0
  #suppressed = 0
  #full = 0
  #producer: RingProducer | undefined
  #consumer: RingConsumer | undefined

  /** Counts with these rings from now on. */
  follow(producer: RingProducer, consumer: RingConsumer): void {
    this.#producer = producer
    this.#consumer = consumer
  }

  /** The rings are going away: keeps what they counted. */
  settle(): void {
    this.#sent = this.packetsSent
    this.#received = this.packetsReceived
    this.#signals = this.signalsSent
    this.#suppressed = this.signalsSuppressed
    this.#full = this.ringFull
    this.#producer = undefined
    this.#consumer = undefined
  }

  get packetsSent(): number {
    return this.#sent + (this.#producer?.packets ?? 0)
  }

  get packetsReceived(): number {
    return this.#received + (this.#consumer?.packets ?? 0)
  }

  get signalsSent(): number {
    return this.#signals + (this.#producer?.signals ?? 0) + (this.#consumer?.signals ?? 0)
  }

  get signalsSuppressed(): number {
    return this.#suppressed + (this.#producer?.suppressedSignals ?? 0)
  }

  get ringFull(): number {
    return this.#full + (this.#producer?.ringFull ?? 0)
  }
}
