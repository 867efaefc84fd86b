import type { FrameOffload } from '@bis/hyperv-types'
import { foldSum, pseudoHeaderSum } from '@bis/hyperv-types/ethernet'

const V4 = { from: [10, 0, 0, 1], to: [10, 0, 0, 2] }
const V6 = {
  from: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  to: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
}

export interface SegmentOptions {
  readonly to: Uint8Array
  readonly from: Uint8Array
  readonly version: 4 | 6
  readonly protocol?: 'tcp' | 'udp'
  readonly payload: number
  readonly port?: number
  /** A large send leaves lengths and header checksum out. */
  readonly large?: boolean
}

/** A TCP or UDP frame with the sum of its pseudo header in the checksum field, as guests hand them to an adapter. */
export function segment(options: SegmentOptions): Uint8Array {
  const { to, from, version, protocol = 'tcp', payload, port = 1000, large = false } = options
  const tcp = protocol === 'tcp'
  const transportBytes = (tcp ? 20 : 8) + payload
  const ipBytes = version === 4 ? 20 : 40
  const frame = new Uint8Array(14 + ipBytes + transportBytes)
  const view = new DataView(frame.buffer)
  frame.set(to)
  frame.set(from, 6)
  view.setUint16(12, version === 4 ? 0x800 : 0x86dd)
  if (version === 4) {
    frame[14] = 0x45
    view.setUint16(16, large ? 0 : 20 + transportBytes)
    frame[22] = 64
    frame[23] = tcp ? 6 : 17
    frame.set(V4.from, 26)
    frame.set(V4.to, 30)
  } else {
    frame[14] = 0x60
    view.setUint16(18, large ? 0 : transportBytes)
    frame[20] = tcp ? 6 : 17
    frame[21] = 64
    frame.set(V6.from, 22)
    frame.set(V6.to, 38)
  }
  const at = 14 + ipBytes
  view.setUint16(at, port)
  view.setUint16(at + 2, 2000)
  if (tcp) {
    view.setUint32(at + 4, 1)
    frame[at + 12] = 0x50
    frame[at + 13] = 0x18
    view.setUint16(at + 14, 0xffff)
  } else {
    view.setUint16(at + 4, transportBytes)
  }
  for (let i = at + (tcp ? 20 : 8); i < frame.length; i++) frame[i] = (i * 31) & 0xff
  const sum = foldSum(pseudoHeaderSum(frame, 14, tcp ? 6 : 17, large ? 0 : transportBytes))
  view.setUint16(at + (tcp ? 16 : 6), sum)
  return frame
}

export const offload = (change: Partial<FrameOffload>): FrameOffload => ({
  checksum: 0,
  segmentSize: 0,
  transportOffset: 0,
  vlan: -1,
  hash: 0,
  ...change,
})
