/**
 * Faults to make on purpose, so that a guest's drivers can be tried against a host that misbehaves. Every number is a
 * probability from 0 to 1 unless it says otherwise; what is left out never happens. The same seed makes the same faults
 * for the same course of events.
 */
export interface FaultPlan {
  /** Any integer. */
  readonly seed: number
  /** Control messages to the guest; they keep their order, so a delayed one holds back those behind it. */
  readonly messages?: {
    readonly lost?: number
    readonly duplicated?: number
    readonly delayed?: number
    /** Cut short, or with bytes changed behind the type. */
    readonly damaged?: number
    /** Followed by a message that no one asked for: any type, any bytes. */
    readonly unsolicited?: number
  }
  /** Interrupts to the guest. */
  readonly signals?: {
    readonly lost?: number
    readonly delayed?: number
    /** Raised a second time, for nothing. */
    readonly spurious?: number
  }
  /** Signals for host-to-guest rings before which the ring is spoilt: indices, lengths, offsets and types that lie. */
  readonly ringsDamaged?: number
  /** Devices. */
  readonly devices?: {
    /** An open is refused. */
    readonly refused?: number
    /** A packet finds the host-to-guest ring full although it is not; the device is told of room later. */
    readonly full?: number
    /** After a packet the device takes no more for a while, so that the guest's ring fills up. */
    readonly stalled?: number
    /** A close takes a while. */
    readonly slowToClose?: number
    /** After a packet the device is taken away, in the middle of its work. */
    readonly rescinded?: number
    /** Milliseconds after which a device that was taken away comes back; default: never. */
    readonly returnAfterMs?: number
  }
  /** Channel ids are given out in no order, so that a device has another one after each connect. */
  readonly shuffledChannelIds?: boolean
  /** Longest delay in milliseconds; default 50. */
  readonly delayMs?: number
}
