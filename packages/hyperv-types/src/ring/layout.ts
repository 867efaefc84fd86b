/**
 * Where things lie in a ring: control page words, packet descriptor, packet types.
 * Source: Linux include/linux/hyperv.h (`hv_ring_buffer`, `vmpacket_descriptor`); FreeBSD vmbus_reg.h, vmbus_brvar.h.
 */

/** Rings, GPADLs and PFN lists count in pages of 4096 bytes, whatever the page size of the guest. */
export const RING_PAGE_BYTES = 4096

/** Byte offsets in a ring's control page; every word is 32 bits wide. */
export const ControlOffset = {
  /** Written by the producer: where its next packet begins, in bytes into the data area. */
  writeIndex: 0,
  /** Written by the consumer: the oldest byte it has not yet taken. */
  readIndex: 4,
  /** Written by the consumer: 1 while it wants no signal. */
  interruptMask: 8,
  /** Written by the producer: bytes it waits for, 0 when it is not blocked. */
  pendingSendSize: 12,
  /** Written by the guest before it opens the channel. */
  featureBits: 64,
} as const

/** Feature bit 0: both ends honour the pending send size. */
export const FEATURE_PENDING_SEND_SIZE = 1

/** Type, header length, packet length, flags and transaction id. */
export const DESCRIPTOR_BYTES = 16
/** Follows each packet: 0, then the index at which the packet began. Readers skip it. */
export const TRAILER_BYTES = 8
/** The longest packet that a 16-bit count of 8-byte units can tell. */
export const MAX_PACKET_BYTES = 65535 * 8

/** Packet types of the ring; those between are legacy or unused here. */
export const PacketType = {
  dataInBand: 6,
  dataUsingXferPages: 7,
  dataUsingGpaDirect: 9,
  completion: 11,
} as const

/** Packet flag: the sender asks for a completion packet with the same transaction id. */
export const FLAG_COMPLETION_REQUESTED = 1
