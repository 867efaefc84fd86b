import { expect, it } from 'vitest'
import * as ring from '../../src/ring/index.ts'
import * as vmbus from '../../src/vmbus/index.ts'

it('the ring engine has its control page and descriptors where the layouts do', () => {
  const { writeIndex, readIndex, interruptMask, pendingSendSize, featureBits } = ring.ControlOffset
  const { write_index, read_index, interrupt_mask, pending_send_sz, feature_bits } = vmbus.ringControl
  expect([writeIndex, readIndex, interruptMask, pendingSendSize, featureBits]).toEqual(
    [write_index, read_index, interrupt_mask, pending_send_sz, feature_bits].map((field) => field.offset),
  )
  expect(ring.RING_PAGE_BYTES).toBe(vmbus.ringControl.size)
  expect(ring.FEATURE_PENDING_SEND_SIZE).toBe(vmbus.RingFeature.PENDING_SEND_SIZE)
  expect(ring.DESCRIPTOR_BYTES).toBe(vmbus.packetDescriptor.size)
  expect(ring.TRAILER_BYTES).toBe(vmbus.PACKET_TRAILER_BYTES)
  expect(ring.MAX_PACKET_BYTES).toBe(vmbus.MAX_PACKET_BYTES)
  expect(ring.FLAG_COMPLETION_REQUESTED).toBe(vmbus.PACKET_FLAG_COMPLETION_REQUESTED)
  const { DATA_INBAND, DATA_USING_XFER_PAGES, DATA_USING_GPA_DIRECT, COMPLETION } = vmbus.PacketType
  expect(Object.values(ring.PacketType)).toEqual([
    DATA_INBAND,
    DATA_USING_XFER_PAGES,
    DATA_USING_GPA_DIRECT,
    COMPLETION,
  ])
})
