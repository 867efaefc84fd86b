import { fuzzRuns, fuzzSeed } from '@bis/build/fuzz'
import type { PortDevice, PortWidth } from '@bis/hyperv-types'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DiskBackend } from '../../src/index.ts'
import { DvdUnit, gen1Chipset, RamDisk } from '../../src/index.ts'

const BASE = 0x1f0
const CONTROL = 0x3f6
const BSY = 0x80
const DRQ = 0x08
const ERR = 0x01

/** A disk whose reads are answered when the test says so. */
function slowDisk(): { disk: DiskBackend; waiting: (() => void)[] } {
  const fast = new RamDisk({ sizeBytes: 1024 * 512 })
  const waiting: (() => void)[] = []
  const read = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))
  return { disk: new Proxy(fast, { get: (_, name) => (name === 'read' ? read : Reflect.get(fast, name)) }), waiting }
}

function channel(disk: DiskBackend): { io: PortDevice; interrupts: () => number } {
  const medium = new RamDisk({ sizeBytes: 65_536 })
  const [, first] = gen1Chipset([
    { channel: 0, device: 0, drive: { disk } },
    { channel: 0, device: 1, drive: { optical: new DvdUnit({ medium }) } },
  ])
  if (first === undefined) throw new Error('no channel')
  let count = 0
  first.connect(() => count++)
  return { io: first, interrupts: () => count }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await Promise.resolve()
}

describe('[TG-03] the emulated IDE channel', () => {
  it('survives any sequence of port accesses, and moves no more data than the command has', async () => {
    const port = fc.oneof(fc.integer({ min: 0, max: 7 }), fc.constant(0), fc.constant(7), fc.constant(CONTROL - BASE))
    const interesting = [
      0x20, 0x24, 0x29, 0x30, 0x34, 0x39, 0xec, 0xa0, 0xa1, 0x08, 0x90, 0xe7, 0xc8, 0xc4, 0xc5, 0xc6, 0xce, 0x40,
    ]
    const value = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...interesting))
    const step = fc.record({ port, value, write: fc.boolean(), width: fc.constantFrom(1, 2, 4), times: fc.nat(600) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const disk = new RamDisk({ sizeBytes: 1024 * 512 })
        const { io } = channel(disk)
        for (const { port: offset, value: byte, write, width, times } of steps) {
          for (let i = 0; i < (offset === 0 ? times : 1); i++) {
            if (write) io.write(BASE + offset, width as PortWidth, byte)
            else expect(io.read(BASE + offset, width as PortWidth)).toBeGreaterThanOrEqual(0)
          }
          await settle()
        }
        // Whatever it was asked, a reset brings it back to work.
        io.write(CONTROL, 1, 4)
        io.write(CONTROL, 1, 0)
        io.write(BASE + 6, 1, 0xe0)
        io.write(BASE + 7, 1, 0xec)
        expect(io.read(BASE + 7, 1) & (BSY | DRQ | ERR)).toBe(DRQ)
      }),
      { numRuns: fuzzRuns(150), seed: fuzzSeed },
    )
  })

  it('gives 512 bytes of an IDENTIFY, all ones after them, and takes no data without a command', () => {
    const { io, interrupts } = channel(new RamDisk({ sizeBytes: 1024 * 512 }))
    expect(io.read(BASE, 2)).toBe(0xffff)
    io.write(BASE, 2, 0x1234)
    io.write(BASE + 6, 1, 0xe0)
    io.write(BASE + 7, 1, 0xec)
    expect(interrupts()).toBe(1)
    const words = Array.from({ length: 256 }, () => io.read(BASE, 2))
    expect([words[0], words[60]]).toEqual([0x045a, 1024])
    expect(io.read(BASE + 7, 1) & DRQ).toBe(0)
    expect(io.read(BASE, 2)).toBe(0xffff)
    // Accesses wider than what is left end at the end.
    io.write(BASE + 7, 1, 0xec)
    for (let i = 0; i < 255; i++) io.read(BASE, 2)
    expect(io.read(BASE, 4)).toBe(words[255])
    expect(io.read(BASE + 7, 1) & DRQ).toBe(0)
  })

  const during: [string, number, number, 'refused' | 'taken'][] = [
    ['a command', 7, 0xec, 'refused'],
    ['the other drive', 6, 0xf0, 'refused'],
    ['a count', 2, 99, 'refused'],
    ['a reset', CONTROL - BASE, 4, 'taken'],
  ]
  it.each(during)('while busy: %s is refused, or ends the command', async (_, register, value, outcome) => {
    const { disk, waiting } = slowDisk()
    const { io, interrupts } = channel(disk)
    io.write(BASE + 6, 1, 0xe0)
    io.write(BASE + 2, 1, 1)
    io.write(BASE + 7, 1, 0x20)
    expect(io.read(BASE + 7, 1)).toBe(BSY)
    io.write(BASE + register, 1, value)
    if (outcome === 'taken') io.write(CONTROL, 1, 0)
    for (const answer of waiting.splice(0)) answer()
    await settle()
    if (outcome === 'refused') {
      expect(io.read(BASE + 7, 1) & (BSY | DRQ)).toBe(DRQ)
      expect(io.read(BASE + 6, 1)).toBe(0xe0)
      expect(interrupts()).toBe(1)
    } else {
      // The answer of what was ended has no effect on what came after.
      expect(io.read(BASE + 7, 1) & (BSY | DRQ)).toBe(0)
      expect(interrupts()).toBe(0)
    }
  })

  it('during a transfer: a new command ends it, and the other drive has no part in it', () => {
    const { io } = channel(new RamDisk({ sizeBytes: 1024 * 512 }))
    io.write(BASE + 6, 1, 0xe0)
    io.write(BASE + 7, 1, 0xec)
    for (let i = 0; i < 100; i++) io.read(BASE, 2)
    io.write(BASE + 6, 1, 0xf0)
    expect(io.read(BASE, 2)).toBe(0xffff)
    io.write(BASE + 6, 1, 0xe0)
    io.write(BASE + 7, 1, 0xec)
    expect(io.read(BASE, 2)).toBe(0x045a)
  })

  it('refuses sectors beyond the end, writes to a read-only disk, and what it does not know', () => {
    const { io } = channel(new RamDisk({ sizeBytes: 1024 * 512, readOnly: true }))
    const command = (code: number, low: number, count = 1): number => {
      io.write(BASE + 6, 1, 0xe0)
      io.write(BASE + 2, 1, count)
      io.write(BASE + 3, 1, low % 256)
      io.write(BASE + 4, 1, low >> 8)
      io.write(BASE + 5, 1, 0)
      io.write(BASE + 7, 1, code)
      return io.read(BASE + 7, 1) & ERR ? io.read(BASE + 1, 1) : 0
    }
    expect(command(0x20, 1024)).toBe(0x10)
    expect(command(0x20, 1000, 25)).toBe(0x10)
    expect(command(0x30, 0)).toBe(0x04)
    expect(command(0xc8, 0)).toBe(0x04)
    expect(command(0x40, 1000, 24)).toBe(0)
  })
})
