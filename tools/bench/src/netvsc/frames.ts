import type { FrameOffload } from '@bis/hyperv-types'
import { TransmitChecksum } from '@bis/hyperv-types'
import { FrameHeaders, finishIpv4Header, finishTransport, IpProtocol, Toeplitz } from '@bis/hyperv-types/ethernet'
import type { Load } from './rows.ts'

const TCP_AT = 34
const HEADER_BYTES = 54
const SEGMENT_BYTES = 1448
/** The same for all numbers of channels, and enough that every channel has some. */
const FLOWS = 128
/** Frames that a flow sends in a row, as TCP does: part of a window, about what one large send is cut into. */
const TRAIN = 32

const NO_OFFLOAD = { checksum: 0, segmentSize: 0, transportOffset: TCP_AT, vlan: -1, hash: 0 }

/** Address of NIC `n` of the bench. */
export function macAddress(n: number): Uint8Array {
  return Uint8Array.of(0, 0x15, 0x5d, 0, 0, n)
}

/** A frame as a stack hands it over. */
export interface Sent {
  readonly bytes: Uint8Array
  readonly offload: FrameOffload | undefined
}

/** What NIC 1 sends to NIC 2, in this order again and again. Flows differ in their ports. */
export function trafficOf(load: Load, frameBytes: number): readonly Sent[] {
  if (load === 'frames') return [{ bytes: plainFrame(frameBytes), offload: undefined }]
  if (load === 'flows') return flows(frameBytes)
  const checksum = TransmitChecksum.tcp | TransmitChecksum.ipv4Header
  const segmentSize = load === 'tcp' ? 0 : SEGMENT_BYTES
  return [{ bytes: tcpFrame(frameBytes, 1024), offload: { ...NO_OFFLOAD, checksum, segmentSize } }]
}

/** A stack knows the hash of its connections, and sends a part of a window at a time. */
function flows(frameBytes: number): readonly Sent[] {
  const toeplitz = new Toeplitz()
  const headers = new FrameHeaders()
  return Array.from({ length: FLOWS }, (_, flow) => {
    const bytes = tcpFrame(frameBytes, 1024 + flow)
    headers.read(bytes, 0, bytes.length)
    return new Array<Sent>(TRAIN).fill({
      bytes,
      offload: { ...NO_OFFLOAD, hash: toeplitz.ofFrame(bytes, headers, true) },
    })
  }).flat()
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
