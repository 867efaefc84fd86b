/** A TCP frame of one flow, told by its port, with a payload and every checksum right. */
export function flowFrame(to: Uint8Array, from: Uint8Array, port: number, payload = 20): Uint8Array {
  const frame = tcpFrame(to, from, { version: 4, payload, port })
  const view = new DataView(frame.buffer)
  view.setUint16(24, internetChecksum(frame.subarray(14, 34)))
  view.setUint16(50, 0)
  view.setUint16(50, transportChecksum(frame))
  return frame
}

export interface TcpShape {
  readonly version: 4 | 6
  readonly payload: number
  readonly port?: number
  /** For an adapter that cuts it into segments: lengths and the header's checksum are left out. */
  readonly large?: boolean
}

/** A TCP frame with the sum of its pseudo header where the checksum goes, as a stack gives it to an adapter. */
export function tcpFrame(to: Uint8Array, from: Uint8Array, shape: TcpShape): Uint8Array {
  const { version, payload, port = 1000, large = false } = shape
  const ipBytes = version === 4 ? 20 : 40
  const at = 14 + ipBytes
  const tcpBytes = 20 + payload
  const frame = new Uint8Array(at + tcpBytes)
  const view = new DataView(frame.buffer)
  frame.set(to.subarray(0, 6))
  frame.set(from.subarray(0, 6), 6)
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd)
  if (version === 4) {
    frame.set([0x45, 0], 14)
    view.setUint16(16, large ? 0 : ipBytes + tcpBytes)
    frame.set([64, 6], 22)
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26)
  } else {
    frame[14] = 0x60
    view.setUint16(18, large ? 0 : tcpBytes)
    frame.set([6, 64], 20)
    frame.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 22)
    frame.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 38)
  }
  view.setUint16(at, port)
  view.setUint16(at + 2, 2000)
  view.setUint32(at + 4, 1)
  frame.set([0x50, 0x18, 0xff, 0xff], at + 12)
  for (let i = at + 20; i < frame.length; i++) frame[i] = (i * 31) & 0xff
  view.setUint16(at + 16, fold(pseudoSum(frame, large ? 0 : tcpBytes)))
  return frame
}

/** Decodes a frame by itself: whether its IP header and TCP checksums are right, and how long its payload is. */
export function decodeTcp(frame: Uint8Array): { readonly good: boolean; readonly payload: number; sequence: number } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const version = (frame[14] ?? 0) >> 4
  const ipBytes = version === 4 ? 20 : 40
  const tcpBytes = version === 4 ? view.getUint16(16) - ipBytes : view.getUint16(18)
  const at = 14 + ipBytes
  const header = version === 6 || fold(sum(frame.subarray(14, 34))) === 0xffff
  const transport = fold(pseudoSum(frame, tcpBytes) + sum(frame.subarray(at, at + tcpBytes))) === 0xffff
  return { good: header && transport, payload: tcpBytes - 20, sequence: view.getUint32(at + 4) }
}

function transportChecksum(frame: Uint8Array): number {
  return 0xffff ^ fold(pseudoSum(frame, frame.length - 34) + sum(frame.subarray(34)))
}

function internetChecksum(bytes: Uint8Array): number {
  return 0xffff ^ fold(sum(bytes))
}

/** RFC 793 and RFC 8200: addresses, protocol, length. */
function pseudoSum(frame: Uint8Array, transportBytes: number): number {
  const [start, end] = (frame[14] ?? 0) >> 4 === 4 ? [26, 34] : [22, 54]
  return sum(frame.subarray(start, end)) + 6 + transportBytes
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
