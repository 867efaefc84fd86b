/** First page of a ring. Sources: include/linux/hyperv.h (struct hv_ring_buffer), FreeBSD vmbus_reg.h. */
import { at, bits, layout, u32, u64 } from '../struct/index.ts'

/** Indices are byte offsets into the data that follows this page. */
export const ringControl = layout(
  'hv_ring_buffer',
  {
    /** Moved by the producer; equal to `read_index` when the ring is empty. */
    write_index: u32,
    /** Moved by the consumer. */
    read_index: u32,
    /** Written by the consumer: 1 while it wants no signal. */
    interrupt_mask: u32,
    /** Written by the producer: bytes it waits for, 0 while it does not wait. */
    pending_send_sz: u32,
    feature_bits: at(64, bits(4, { feat_pending_send_sz: 0 })),
    /** Interrupts counted by FreeBSD guests; for people to look at. */
    guest_to_host_interrupt_count: at(4088, u64),
  },
  { size: 4096 },
)

/** Bits of the word at 64. */
export const RingFeature = { PENDING_SEND_SIZE: 1 } as const
