import type { Hypervisor } from '@bis/hyperv-types'

/** Tells the host that a channel's ring needs a look. Does not allocate. */
export type Signal = () => void

/** HvSignalEvent, fast: call code 0x5D, bit 16. The event flag would be in bits 47:32 of the input; guests use flag 0. */
const SIGNAL_EVENT_FAST = 0x1_005d
const SIGNAL_EVENT_SLOW = 0x5d

/** Signals by a fast hypercall, as Linux does. */
export function fastSignal(hypervisor: Hypervisor, cpu: number, connectionId: number): Signal {
  return () => {
    hypervisor.hypercall(cpu, SIGNAL_EVENT_FAST, connectionId, 0)
  }
}

/**
 * Signals by a hypercall with its input in memory, as FreeBSD does.
 * @param block 8 bytes of the bus's own, at `gpa`, 8-aligned; written anew for each call
 */
export function slowSignal(
  hypervisor: Hypervisor,
  cpu: number,
  connectionId: number,
  block: DataView,
  gpa: number,
): Signal {
  return () => {
    block.setUint32(0, connectionId, true)
    block.setUint32(4, 0, true)
    hypervisor.hypercall(cpu, SIGNAL_EVENT_SLOW, gpa, 0)
  }
}

/** Sets a channel's bit in the interrupt page before signalling: channels without a dedicated interrupt, before 5.0. */
export function pageBitSignal(sendPage: Int32Array, channelId: number, signal: Signal): Signal {
  const word = channelId >>> 5
  const bit = 1 << (channelId & 31)
  return () => {
    Atomics.or(sendPage, word, bit)
    signal()
  }
}

const TRIGGER_GROUPS = 8

/**
 * Sets the pending bit of a monitor id; the host polls the page, so there is no hypercall.
 * @param page the guest-to-host monitor page as 32-bit words
 */
export function monitorSignal(page: Int32Array, monitorId: number): Signal {
  const word = monitorWord(monitorId)
  const bit = 1 << (monitorId & 31)
  return () => {
    Atomics.or(page, word, bit)
  }
}

/** Index of the 32-bit word that holds a monitor id's pending bit. */
export function monitorWord(monitorId: number): number {
  return (TRIGGER_GROUPS + (monitorId >>> 5) * 8) / 4
}
