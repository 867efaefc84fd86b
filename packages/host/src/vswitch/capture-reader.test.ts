import { describe, expect, it } from 'vitest'
import type { CapturedFrame } from './capture-reader.ts'
import { readCapture } from './capture-reader.ts'
import { CaptureDirection, PcapngWriter } from './pcapng.ts'

const FRAMES = [60, 61, 1514].map((length, n) => Uint8Array.from({ length }, (_, i) => i + n))

function written(): Uint8Array {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  const port = writer.addInterface('hn0')
  const { inbound, outbound } = CaptureDirection
  FRAMES.forEach((frame, i) => {
    writer.frame(port, 1_700_000_000_000 + i * 1.5, i === 1 ? outbound : inbound, frame, 0, frame.length)
  })
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

async function* inPieces(file: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.length; at += length) yield file.slice(at, at + length)
}

async function read(file: Uint8Array, length = 7): Promise<CapturedFrame[]> {
  const frames: CapturedFrame[] = []
  for await (const frame of readCapture(inPieces(file, length))) frames.push(frame)
  return frames
}

function pcap(littleEndian: boolean, nanoseconds: boolean): Uint8Array {
  const bytes = new Uint8Array(24 + FRAMES.reduce((sum, { length }) => sum + 16 + length, 0))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, nanoseconds ? 0xa1b2_3c4d : 0xa1b2_c3d4, littleEndian)
  view.setUint32(20, 1, littleEndian)
  let at = 24
  FRAMES.forEach((frame, i) => {
    view.setUint32(at, 1_700_000_000, littleEndian)
    view.setUint32(at + 4, i * (nanoseconds ? 1_500_000 : 1500), littleEndian)
    view.setUint32(at + 8, frame.length, littleEndian)
    view.setUint32(at + 12, frame.length, littleEndian)
    bytes.set(frame, at + 16)
    at += 16 + frame.length
  })
  return bytes
}

describe('readCapture', () => {
  it('reads what was written, in any pieces, with times and directions', async () => {
    for (const length of [1, 7, 4096]) {
      const frames = await read(written(), length)
      expect(frames.map(({ bytes }) => bytes)).toEqual(FRAMES)
      expect(frames.map(({ time }) => time - 1_700_000_000_000)).toEqual([0, 1.5, 3])
      expect(frames.map(({ direction }) => direction)).toEqual(['in', 'out', 'in'])
    }
  })

  it('reads pcap of either byte order, in micro- and nanoseconds', async () => {
    for (const [little, nano] of [
      [true, false],
      [true, true],
      [false, false],
      [false, true],
    ] as const) {
      const frames = await read(pcap(little, nano))
      expect(frames.map(({ bytes }) => bytes)).toEqual(FRAMES)
      expect((frames[2]?.time ?? 0) - (frames[0]?.time ?? 0)).toBeCloseTo(3, 3)
    }
  })

  it('leaves out the record that a file ends in, and says what is wrong with one that is no capture', async () => {
    const file = written()
    for (let cut = 1; cut < 200; cut += 13) expect((await read(file.slice(0, -cut))).length).toBe(2)
    for (const bad of [new Uint8Array(0), new Uint8Array(64).fill(0x11), file.slice(0, 2)]) {
      await expect(read(bad)).rejects.toMatchObject({ code: 'bad-capture' })
    }
  })

  it('ends in frames or an error of its own, whatever the bytes are', async () => {
    for (let seed = 1; seed <= 400; seed++) {
      const file = seed % 2 === 0 ? written() : pcap(true, false)
      for (let k = 0, x = seed; k < 3; k++) {
        x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0
        file[(x >>> 8) % (k === 0 ? 64 : file.length)] = x >>> 24
      }
      await read(file, 64).catch((error: unknown) => expect(error).toMatchObject({ code: 'bad-capture' }))
    }
  })
})
