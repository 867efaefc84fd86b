import { describe, expect, it } from 'vitest'
import {
  FrameHeaders,
  foldChecksum,
  foldSum,
  parseMac,
  pseudoHeaderSum,
  Segmenter,
  sumWords,
  Toeplitz,
  transportIsGood,
} from './index.ts'

/** Microsoft's verification suite: destination, source, hash of the addresses, hash with TCP ports. */
const VECTORS: readonly [string, number, string, number, number, number][] = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
  ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
  ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
  ['3ffe:2501:200:3::1', 1766, '3ffe:2501:200:1fff::7', 2794, 0x2cc18cd5, 0x40207d3d],
  ['ff02::1', 4739, '3ffe:501:8::260:97ff:fe40:efab', 14230, 0x0f0c461c, 0xdde51bbf],
  ['fe80::200:f8ff:fe21:67cf', 38024, '3ffe:1900:4545:3:200:f8ff:fe21:67cf', 44251, 0x4b61e985, 0x02d1feef],
]

function address(text: string): number[] {
  if (text.includes('.')) return text.split('.').map(Number)
  const [head = '', tail = ''] = text.split('::')
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
  const first = words(head)
  const last = words(tail)
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
  return all.flatMap((word) => [word >> 8, word & 0xff])
}

function tcpFrame(source: string, sourcePort: number, destination: string, destinationPort: number): Uint8Array {
  const from = address(source)
  const to = address(destination)
  const ports = [sourcePort >> 8, sourcePort & 0xff, destinationPort >> 8, destinationPort & 0xff]
  const tcp = [...ports, ...new Array<number>(8).fill(0), 0x50, 0, 0, 0, 0, 0, 0, 0]
  const ethernet = new Array<number>(12).fill(2)
  if (from.length === 4) {
    return Uint8Array.from([...ethernet, 8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...from, ...to, ...tcp])
  }
  return Uint8Array.from([...ethernet, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64, ...from, ...to, ...tcp])
}

describe('Toeplitz', () => {
  const toeplitz = new Toeplitz()
  for (const [to, toPort, from, fromPort, addresses, withPorts] of VECTORS) {
    it(`[RS-07] ${from}:${fromPort} to ${to}:${toPort}`, () => {
      const frame = tcpFrame(from, fromPort, to, toPort)
      const headers = new FrameHeaders()
      headers.read(frame, 0, frame.length)
      expect(toeplitz.ofFrame(frame, headers, false) >>> 0).toBe(withPorts)
      headers.transportAt = -1
      expect(toeplitz.ofFrame(frame, headers, false) >>> 0).toBe(addresses)
    })
  }
})

describe('headers', () => {
  it('stop at the end of every truncated frame', () => {
    const headers = new FrameHeaders()
    for (const frame of [tcpFrame('1.2.3.4', 1, '5.6.7.8', 2), tcpFrame('fe80::1', 1, 'fe80::2', 2)]) {
      headers.read(frame, 0, frame.length)
      expect(headers.transportAt).toBeGreaterThan(0)
      for (let length = 0; length < frame.length; length++) {
        headers.read(frame, 0, length)
        expect(headers.transportAt).toBe(-1)
      }
    }
  })
})

describe('checksums', () => {
  it('are those of RFC 1071', () => {
    const bytes = Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])
    expect(foldChecksum(sumWords(bytes, 0, 8))).toBe(0x220d)
    expect(foldChecksum(sumWords(bytes, 0, 7))).toBe(~((0xddf2 - 0xf7) & 0xffff) & 0xffff)
  })

  it('take the pseudo header of either version', () => {
    const frame = tcpFrame('10.0.0.1', 1, '10.0.0.2', 2)
    expect(pseudoHeaderSum(frame, 14, 6, 20)).toBe(0x0a00 + 1 + 0x0a00 + 2 + 6 + 20)
  })

  it('parse MAC addresses', () => {
    expect([...parseMac('00-15-5D-01-02-ff')]).toEqual([0, 0x15, 0x5d, 1, 2, 255])
    expect(() => parseMac('00:15')).toThrow(RangeError)
  })
})

describe('a large send', () => {
  for (const [from, to] of [
    ['10.0.0.1', '10.0.0.2'],
    ['fe80::1', 'fe80::2'],
  ] as const) {
    it(`from ${from} becomes segments with right lengths, checksums, ids, sequence numbers and flags`, () => {
      const head = tcpFrame(from, 1000, to, 2000)
      const frame = new Uint8Array(head.length + 10_001)
      frame.set(head)
      for (let i = head.length; i < frame.length; i++) frame[i] = (i * 7) & 0xff
      const transportAt = head.length - 20
      frame[transportAt + 13] = 0x19
      const segmenter = new Segmenter()
      expect(segmenter.start(frame, 0, frame.length, transportAt, 1448)).toBe(true)
      const headers = new FrameHeaders()
      const payload: number[] = []
      let count = 0
      while (segmenter.next()) {
        const { bytes, length } = segmenter
        headers.read(bytes, 0, length)
        expect(headers.transportBytes).toBe(length - transportAt)
        expect(transportIsGood(bytes, 14, transportAt, headers.transportBytes, 6)).toBe(true)
        if (headers.ipVersion === 4) expect(foldChecksum(sumWords(bytes, 14, 20))).toBe(0)
        expect(bytes[transportAt + 13]).toBe(segmenter.left === 0 ? 0x19 : 0x10)
        payload.push(...bytes.subarray(head.length, length))
        count++
      }
      expect(count).toBe(7)
      expect(payload).toEqual([...frame.subarray(head.length)])
    })
  }

  it('[OF-02] is refused when its offsets do not fit', () => {
    const frame = tcpFrame('10.0.0.1', 1, '10.0.0.2', 2)
    const segmenter = new Segmenter()
    for (const offset of [0, 13, 14, 33, 35, 64, 255, 256, 1023, 65535]) {
      expect(segmenter.start(frame, 0, frame.length, offset, 1448)).toBe(false)
    }
    expect(segmenter.start(frame, 0, frame.length, 34, 0)).toBe(false)
    expect(segmenter.start(frame, 0, frame.length, 34, 0xfffff)).toBe(false)
    expect(segmenter.start(frame, 0, frame.length, 34, 1448)).toBe(true)
    expect(segmenter.next()).toBe(false)
  })
})

it('sums long ranges as a loop over words does, at any place and length', () => {
  const bytes = new Uint8Array(70_000)
  for (const fill of [(i: number) => (i * 37) & 0xff, () => 0xff, () => 0]) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = fill(i)
    for (const [at, length] of [
      [0, 255],
      [1, 256],
      [34, 257],
      [7, 1479],
      [54, 65_535],
      [69_744, 256],
    ] as const) {
      let sum = 5
      for (let i = 0; i < length; i++) sum += (bytes[at + i] ?? 0) * (i % 2 === 0 ? 256 : 1)
      expect(foldSum(sumWords(bytes, at, length, 5))).toBe(foldSum(sum))
    }
  }
})
