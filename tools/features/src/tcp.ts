/** A TCP frame of one flow, told by its port, with a payload and every checksum right. */
export function flowFrame(to: Uint8Array, from: Uint8Array, port: number, payload = 20): Uint8Array {
  const frame = transportFrame(to, from, { version: 4, payload, port })
  const view = new DataView(frame.buffer)
  view.setUint16(24, internetChecksum(frame.subarray(14, 34)))
  view.setUint16(50, 0)
  view.setUint16(50, 0xffff ^ fold(pseudoSum(frame, frame.length - 34) + sum(frame.subarray(34))))
  return frame
}

export interface Shape {
  readonly version: 4 | 6
  readonly payload: number
  /** Default TCP. */
  readonly protocol?: 'tcp' | 'udp'
  readonly port?: number
  /** For an adapter that cuts it into segments: lengths and the header's checksum are left out. */
  readonly large?: boolean
}

const PROTOCOL = { tcp: 6, udp: 17 } as const
const SEQUENCE = 1
/** TCP flags: this frame ends what was written. */
const PSH_ACK = 0x18

/** A frame with the sum of its pseudo header where the checksum goes, as a stack gives it to an adapter. */
export function transportFrame(to: Uint8Array, from: Uint8Array, shape: Shape): Uint8Array {
  const { version, payload, port = 1000, large = false, protocol = 'tcp' } = shape
  const ipBytes = version === 4 ? 20 : 40
  const headerBytes = protocol === 'tcp' ? 20 : 8
  const at = 14 + ipBytes
  const transportBytes = headerBytes + payload
  const frame = new Uint8Array(at + transportBytes)
  const view = new DataView(frame.buffer)
  frame.set(to.subarray(0, 6))
  frame.set(from.subarray(0, 6), 6)
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd)
  if (version === 4) {
    frame.set([0x45, 0], 14)
    view.setUint16(16, large ? 0 : ipBytes + transportBytes)
    frame.set([64, PROTOCOL[protocol]], 22)
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
  } else {
    frame[14] = 0x60
    view.setUint16(18, large ? 0 : transportBytes)
    frame.set([PROTOCOL[protocol], 64], 20)
    frame.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 22)
    frame.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 38)
  }
  view.setUint16(at, port)
  view.setUint16(at + 2, 2000)
  if (protocol === 'tcp') {
    view.setUint32(at + 4, SEQUENCE)
    frame.set([0x50, PSH_ACK, 0xff, 0xff], at + 12)
  } else view.setUint16(at + 4, transportBytes)
  for (let i = at + headerBytes; i < frame.length; i++) frame[i] = (i * 31 + (i >> 8)) & 0xff
  view.setUint16(at + (protocol === 'tcp' ? 16 : 6), fold(pseudoSum(frame, large ? 0 : transportBytes)))
  return frame
}

export interface Decoded {
  /** Lengths fit the frame, and the checksums of the IP header and of the transport are right. */
  readonly good: boolean
  readonly payload: Uint8Array
  /** Payload bytes of the flow before this frame. */
  readonly position: number
  readonly pushed: boolean
}

/** Decodes a TCP or UDP frame by itself: nothing of the drivers or of the host is used. */
export function decode(frame: Uint8Array): Decoded {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const version = (frame[14] ?? 0) >> 4
  const ipBytes = version === 4 ? 20 : 40
  const transportBytes = version === 4 ? view.getUint16(16) - ipBytes : view.getUint16(18)
  const at = 14 + ipBytes
  const tcp = frame[version === 4 ? 23 : 20] === PROTOCOL.tcp
  const payload = frame.subarray(at + (tcp ? 20 : 8), at + transportBytes)
  const header = version === 6 || fold(sum(frame.subarray(14, 34))) === 0xffff
  const whole = frame.length === Math.max(60, at + transportBytes) || frame.length === at + transportBytes
  const segment = frame.subarray(at, at + transportBytes)
  const transport = fold(pseudoSum(frame, transportBytes) + sum(segment)) === 0xffff
  const position = tcp ? view.getUint32(at + 4) - SEQUENCE : 0
  return { good: header && transport && whole, payload, position, pushed: tcp && ((frame[at + 13] ?? 0) & 0x08) !== 0 }
}

/** RFC 791: the sum of the header's words, complemented. */
function internetChecksum(bytes: Uint8Array): number {
  return 0xffff ^ fold(sum(bytes))
}

/** RFC 793 and RFC 8200: addresses, protocol, length. */
function pseudoSum(frame: Uint8Array, transportBytes: number): number {
  const four = (frame[14] ?? 0) >> 4 === 4
  const [start, end] = four ? [26, 34] : [22, 54]
  return sum(frame.subarray(start, end)) + (frame[four ? 23 : 20] ?? 0) + transportBytes
}

function sum(bytes: Uint8Array): number {
  let total = 0
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0)
  return total
}

function fold(total: number): number {
  let value = total
  while (value > 0xffff) value = (value % 65_536) + Math.floor(value / 65_536)
  return value
}
