import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitChecksum } from '@bis/hyperv-types'
import { finishIpv4Header, finishTransport, IpProtocol } from '@bis/hyperv-types/ethernet'
import type { Load } from './rows.ts'

const TCP_AT = 34
const HEADER_BYTES = 54
const SEGMENT_BYTES = 1448
/** The same for all numbers of channels, and enough that every channel has some. */
const FLOWS = 128

/** Address of NIC `n` of the bench. */
export function macAddress(n: number): Uint8Array {
  return Uint8Array.of(0, 0x15, 0x5d, 0, 0, n)
}

export interface Traffic {
  /** One frame for each flow. */
  readonly frames: readonly Uint8Array[]
  readonly offload: FrameOffload | undefined
}

/** What NIC 1 sends to NIC 2. Flows differ in their ports. */
export function trafficOf(load: Load, frameBytes: number): Traffic {
  if (load === 'frames') return { frames: [plainFrame(frameBytes)], offload: undefined }
  const flows = load === 'flows' ? FLOWS : 1
  const frames = Array.from({ length: flows }, (_, flow) => tcpFrame(frameBytes, 1024 + flow))
  if (load === 'flows') return { frames, offload: undefined }
  const segmentSize = load === 'tcp' ? 0 : SEGMENT_BYTES
  const checksum = TransmitChecksum.tcp | TransmitChecksum.ipv4Header
  return { frames, offload: { checksum, segmentSize, transportOffset: TCP_AT, vlan: -1, hash: 0 } }
}

/** An experimental EtherType: nobody looks inside. */
function plainFrame(length: number): Uint8Array {
  const frame = new Uint8Array(length)
  frame.set(macAddress(2))
  frame.set(macAddress(1), 6)
  frame.set([0x88, 0xb5], 12)
  for (let i = 14; i < length; i++) frame[i] = i
  return frame
}

function tcpFrame(length: number, port: number): Uint8Array {
  const frame = plainFrame(length)
  const view = new DataView(frame.buffer)
  view.setUint16(12, 0x0800)
  frame.fill(0, 14, HEADER_BYTES)
  frame[14] = 0x45
  view.setUint16(16, length - 14)
  frame[22] = 64
  frame[23] = 6
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
  view.setUint16(TCP_AT, port)
  view.setUint16(TCP_AT + 2, 5001)
  frame[TCP_AT + 12] = 0x50
  frame[TCP_AT + 13] = 0x10
  finishIpv4Header(frame, 14)
  finishTransport(frame, 14, TCP_AT, length - TCP_AT, IpProtocol.TCP)
  return frame
}
