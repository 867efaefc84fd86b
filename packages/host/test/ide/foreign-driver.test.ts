import { describe, expect, it } from 'vitest'
import type { DiskBackend, IdePlace } from '../../src/index.ts'
import { DvdUnit, RamDisk } from '../../src/index.ts'
import { BSY, Channel, DRDY, DRQ, ERR, Pc } from './pc.ts'

const SECTOR = 512

function hardDisk(sectors = 4096): RamDisk {
  return new RamDisk({ sizeBytes: sectors * SECTOR })
}

/** A disk of any size that has its address in every sector. */
function largeDisk(sectors: number): DiskBackend & { readonly written: number[] } {
  const written: number[] = []
  const all = {
    sizeBytes: sectors * SECTOR,
    read(offset: number, target: Uint8Array): undefined {
      for (let at = 0; at < target.length; at += SECTOR)
        new DataView(target.buffer, target.byteOffset + at).setFloat64(0, (offset + at) / SECTOR)
    },
    write: (offset: number): undefined => void written.push(offset / SECTOR),
  }
  return Object.assign(over(hardDisk(1), all), { written })
}

/** A disk with some of its methods replaced. */
function over(disk: RamDisk, methods: Partial<DiskBackend>): DiskBackend {
  const all = { ...methods } as Record<PropertyKey, unknown>
  return new Proxy(disk, {
    get(_, name) {
      if (name in all) return all[name]
      const value: unknown = Reflect.get(disk, name, disk)
      return typeof value === 'function' ? value.bind(disk) : value
    },
  })
}

function optical(blocks = 600): { place: IdePlace; medium: RamDisk } {
  const medium = new RamDisk({ sizeBytes: blocks * 2048, logicalSectorSize: 512 })
  for (let block = 0; block < blocks; block++) medium.write(block * 2048, new Uint8Array(2048).fill(block % 251))
  return { medium, place: { channel: 0, device: 1, drive: { optical: new DvdUnit({ medium }) } } }
}

/** The usual look of a driver: are there registers that keep what is written? */
function looksThere(channel: Channel, device: number): boolean {
  channel.out(6, 0xa0 | (device << 4))
  for (const [count, low] of [
    [0x55, 0xaa],
    [0xaa, 0x55],
    [0x55, 0xaa],
  ] as const) {
    channel.out(2, count)
    channel.out(3, low)
  }
  return channel.in(2) === 0x55 && channel.in(3) === 0xaa
}

/** What a driver takes a device for after a reset: by its signature, and by its status for a disk. */
function classify(channel: Channel, device: number): 'disk' | 'packet' | 'none' {
  channel.out(6, 0xa0 | (device << 4))
  const signature = [channel.in(1), channel.in(2), channel.in(3), channel.in(4), channel.in(5)].join()
  if (signature === '1,1,1,20,235') return 'packet'
  return signature.endsWith('0,0') && channel.status !== 0 ? 'disk' : 'none'
}

describe('a driver that knows nothing of ours', () => {
  it('finds what is on a channel, and nothing else', () => {
    const disk = { disk: hardDisk() }
    const { place } = optical()
    const cases: [IdePlace[], string[]][] = [
      [[{ channel: 0, device: 0, drive: disk }], ['disk', 'none']],
      [[{ channel: 0, device: 1, drive: disk }], ['none', 'disk']],
      [
        [{ channel: 0, device: 0, drive: disk }, place],
        ['disk', 'packet'],
      ],
      [[{ ...place, device: 0 }], ['packet', 'none']],
      [[place], ['none', 'packet']],
      [
        [
          { ...place, device: 0 },
          { channel: 0, device: 1, drive: disk },
        ],
        ['packet', 'disk'],
      ],
    ]
    for (const [places, expected] of cases) {
      const channel = new Channel(new Pc(places), 0)
      const there = [0, 1].map((device) => looksThere(channel, device))
      channel.softReset()
      const kinds = [0, 1].map((device) => classify(channel, device))
      expect(kinds).toEqual(expected)
      for (const [device, kind] of expected.entries()) if (kind !== 'none') expect(there[device]).toBe(true)
    }
  })

  it('finds an empty channel floating', () => {
    const channel = new Channel(new Pc([]), 1)
    expect([0, 1].map((device) => looksThere(channel, device))).toEqual([false, false])
    channel.softReset()
    const registers = [1, 2, 3, 4, 5, 7].map((register) => channel.in(register))
    expect(new Set(registers)).toEqual(new Set([0x7f]))
    expect(channel.pc.read(channel.base, 2)).toBe(0xffff)
    channel.command(0xec, 0)
    expect(channel.pc.interrupts).toEqual([])
  })

  it('identifies a disk without DMA, and moves as many sectors with an interrupt as it is told', async () => {
    const disk = hardDisk()
    const pc = new Pc([{ channel: 0, device: 0, drive: { disk } }])
    const channel = new Channel(pc, 0)
    channel.softReset()
    const words = await channel.identify(0xec, 0)
    const word = (index: number): number => words.getUint16(index * 2, true)
    // LBA and IORDY, but neither single-word, multi-word nor Ultra DMA.
    expect([word(49) & 0x0f00, word(62), word(63) & 7, word(88)]).toEqual([0x0e00, 0, 0, 0])
    expect([word(83) & 0xc400, word(60), word(100)]).toEqual([0x4400, 4096, 4096])
    expect(word(47)).toBe(0x8080)
    expect(word(59)).toBe(0x0180)
    for (const code of [0xc8, 0xca, 0x25, 0x35, 0x3d]) {
      channel.command(code, 0, { count: 1 })
      expect([(await channel.idle()) & (ERR | DRQ), channel.in(1)]).toEqual([ERR, 4])
    }
    const setFeature = async (count: number): Promise<number> => {
      channel.command(0xef, 0, { features: 3, count })
      return (await channel.idle()) & ERR
    }
    expect([await setFeature(0x0c), await setFeature(0x22), await setFeature(0x45)]).toEqual([0, ERR, ERR])

    const data = Uint8Array.from({ length: 300 * SECTOR }, (_, i) => (i * 31 + (i >> 9)) & 0xff)
    for (const multiple of [128, 16, 1]) {
      channel.command(0xc6, 0, { count: multiple })
      expect((await channel.idle()) & ERR).toBe(0)
      expect((await channel.identify(0xec, 0)).getUint16(59 * 2, true)).toBe(0x100 + multiple)
      const [writeCode, readCode] = multiple === 16 ? [0xc5, 0xc4] : [0x39, 0x29]
      const options = { lba: 100, count: multiple === 16 ? 250 : 300, extended: multiple !== 16 }
      const blocks = Math.ceil(options.count / multiple)
      channel.command(writeCode, 0, options)
      pc.interrupts.length = 0
      for (let at = 0; at < options.count; at += multiple) {
        expect((await channel.idle()) & (DRQ | ERR)).toBe(DRQ)
        channel.give(data.subarray(at * SECTOR, Math.min(at + multiple, options.count) * SECTOR))
      }
      expect((await channel.idle()) & (DRQ | ERR)).toBe(0)
      expect(pc.interrupts).toHaveLength(blocks)
      channel.command(readCode, 0, options)
      pc.interrupts.length = 0
      const parts: number[] = []
      for (let at = 0; at < options.count; at += multiple) {
        expect((await channel.idle()) & (DRQ | ERR)).toBe(DRQ)
        parts.push(...channel.take((Math.min(at + multiple, options.count) - at) * SECTOR))
      }
      expect((await channel.idle()) & (DRQ | ERR)).toBe(0)
      expect(pc.interrupts).toHaveLength(blocks - 1)
      expect(Uint8Array.from(parts)).toEqual(data.subarray(0, options.count * SECTOR))
    }
    for (const count of [3, 255]) {
      channel.command(0xc6, 0, { count })
      expect((await channel.idle()) & ERR).toBe(ERR)
    }
    channel.command(0xc6, 0, { count: 0 })
    await channel.idle()
    channel.command(0x29, 0, { lba: 0, count: 1, extended: true })
    expect([(await channel.idle()) & ERR, channel.in(1)]).toEqual([ERR, 4])
  })

  it('writes through to the image when it asks for it', async () => {
    const disk = hardDisk()
    let flushes = 0
    const watched = over(disk, { flush: () => void flushes++ })
    const channel = new Channel(new Pc([{ channel: 0, device: 0, drive: { disk: watched } }]), 0)
    channel.command(0xce, 0, { lba: 5, count: 2, extended: true })
    expect((await channel.idle()) & DRQ).toBe(DRQ)
    channel.give(new Uint8Array(2 * SECTOR).fill(7))
    expect([(await channel.idle()) & (DRQ | ERR), flushes]).toEqual([0, 1])
    expect(disk.read(6 * SECTOR, new Uint8Array(SECTOR))).toBeUndefined()
  })

  it('reads and writes on both sides of what 28 bits reach, on a disk of 4 TiB', async () => {
    const sectors = 2 ** 33
    const disk = largeDisk(sectors)
    const channel = new Channel(new Pc([{ channel: 0, device: 0, drive: { disk } }]), 0)
    const words = await channel.identify(0xec, 0)
    expect(words.getUint32(120, true)).toBe(0x0fff_ffff)
    expect(words.getUint32(200, true) + words.getUint32(204, true) * 2 ** 32).toBe(sectors)
    expect([words.getUint16(2, true), words.getUint16(6, true), words.getUint16(12, true)]).toEqual([16_383, 16, 63])
    for (const lba of [0, 0x0fff_fffe, 0x0fff_ffff, 0x1000_0000, 2 ** 32 - 1, 2 ** 32, sectors - 1]) {
      channel.command(0x24, 0, { lba, count: 1, extended: true })
      expect((await channel.idle()) & (DRQ | ERR)).toBe(DRQ)
      expect(new DataView(channel.take(SECTOR).buffer).getFloat64(0)).toBe(lba)
      channel.command(0x34, 0, { lba, count: 1, extended: true })
      channel.give(new Uint8Array(SECTOR))
      expect((await channel.idle()) & ERR).toBe(0)
      expect(disk.written.at(-1)).toBe(lba)
    }
    channel.command(0x24, 0, { lba: sectors, count: 1, extended: true })
    expect([(await channel.idle()) & (DRQ | ERR), channel.in(1)]).toEqual([ERR, 0x10])
    // The last sectors that 28 bits reach, the most of a command.
    channel.command(0x20, 0, { lba: 0x0fff_ffff, count: 1 })
    expect((await channel.idle()) & DRQ).toBe(DRQ)
    expect(new DataView(channel.take(SECTOR).buffer).getFloat64(0)).toBe(0x0fff_ffff)
    channel.command(0x40, 0, { lba: 0x0fff_ff00, count: 0 })
    expect((await channel.idle()) & ERR).toBe(0)
  })

  it('finds damage of the image by VERIFY, as an error of the medium', async () => {
    const broken = over(hardDisk(), { read: () => Promise.reject(new Error('damaged')) })
    const channel = new Channel(new Pc([{ channel: 0, device: 0, drive: { disk: broken } }]), 0)
    for (const code of [0x40, 0x20]) {
      channel.command(code, 0, { count: 1 })
      expect([(await channel.idle()) & (DRQ | ERR), channel.in(1)]).toEqual([ERR, 0x40])
    }
  })

  it('gets an interrupt that nIEN held back, unless it has read the status', async () => {
    const pc = new Pc([{ channel: 0, device: 0, drive: { disk: hardDisk() } }])
    const channel = new Channel(pc, 0)
    const masked = (): void => {
      pc.write(channel.control, 0x0a)
      channel.command(0xe7, 0)
      expect(pc.interrupts).toEqual([])
    }
    masked()
    pc.write(channel.control, 0x08)
    expect(pc.interrupts.splice(0)).toEqual([14])
    masked()
    expect(pc.read(channel.control) & (BSY | DRDY)).toBe(DRDY)
    pc.write(channel.control, 0x08)
    expect(pc.interrupts.splice(0)).toEqual([14])
    masked()
    expect(channel.status & ERR).toBe(0)
    pc.write(channel.control, 0x08)
    expect(pc.interrupts).toEqual([])
  })

  it('talks to an optical drive: attention, sense, capacity, and reads of any length in its parts', async () => {
    const { place, medium } = optical()
    const pc = new Pc([{ channel: 0, device: 0, drive: { disk: hardDisk() } }, place])
    const channel = new Channel(pc, 0)
    channel.softReset()
    channel.command(0xec, 1)
    expect([(await channel.idle()) & ERR, channel.in(1) & 4, channel.in(4), channel.in(5)]).toEqual([
      ERR,
      4,
      0x14,
      0xeb,
    ])
    const words = await channel.identify(0xa1, 1)
    expect(words.getUint16(0, true)).toBe(0x85c0)
    expect([words.getUint16(98, true) & 0x0100, words.getUint16(126, true)]).toEqual([0, 0])
    const sense = async (): Promise<number[]> => {
      const bytes = await channel.packet(1, [3, 0, 0, 0, 18])
      return [bytes?.[0] ?? 0, (bytes?.[2] ?? 0) & 15, bytes?.[12] ?? 0]
    }
    const ready = async (): Promise<number> => {
      if ((await channel.packet(1, [0])) !== undefined) return 0
      expect(channel.status & (BSY | DRQ | ERR)).toBe(ERR)
      const key = channel.in(1) >> 4
      expect((await sense())[1]).toBe(key)
      return key
    }
    for (let tries = 0; (await ready()) === 6 && tries < 4; tries++);
    expect(await ready()).toBe(0)
    expect(await sense()).toEqual([0x70, 0, 0])
    const capacity = await channel.packet(1, [0x25])
    expect([...(capacity ?? [])]).toEqual([0, 0, 0x02, 0x57, 0, 0, 0x08, 0])
    for (const limit of [2, 0x0ffe, 0x2000, 0xfffe]) {
      const blocks = limit === 2 ? 1 : 600
      const data = await channel.packet(1, [0x28, 0, 0, 0, 0, 0, 0, blocks >> 8, blocks & 0xff], limit)
      const expected = new Uint8Array(blocks * 2048)
      medium.read(0, expected)
      expect(Buffer.from(data ?? []).equals(expected)).toBe(true)
    }
    const long = await channel.packet(1, [0xa8, 0, 0, 0, 0, 1, 0, 0, 0x02, 0x57], 0xfffe)
    expect(long).toHaveLength(599 * 2048)
    expect(await channel.packet(1, [0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])).toBeUndefined()
    expect(await sense()).toEqual([0x70, 5, 0x21])
    expect(await channel.packet(1, [0xee])).toBeUndefined()
    expect(await sense()).toEqual([0x70, 5, 0x20])
    // A packet whose data would come by DMA.
    channel.out(1, 1)
    channel.out(7, 0xa0)
    expect([(await channel.idle()) & (DRQ | ERR), channel.in(1) & 4]).toEqual([ERR, 4])
    channel.out(7, 0x08)
    expect([channel.in(4), channel.in(5)]).toEqual([0x14, 0xeb])
  })
})

describe('the PCI bus', () => {
  it('has the functions of the chipset and no other', () => {
    const pc = new Pc([])
    const found: string[] = []
    for (let slot = 0; slot < 32; slot++) {
      for (let fn = 0; fn < 8; fn++) {
        const id = pc.config(slot, fn, 0)
        if (id === 0xffff_ffff) continue
        const code = pc.config(slot, fn, 8).toString(16).padStart(8, '0')
        found.push(`${slot}.${fn} ${(id % 65_536).toString(16)}:${Math.floor(id / 65_536).toString(16)} ${code}`)
      }
    }
    expect(found).toEqual([
      '0.0 8086:7192 06000003',
      '7.0 8086:7110 06010001',
      '7.1 8086:7111 01018001',
      '7.3 8086:7113 06800002',
      '8.0 1414:5353 03000000',
    ])
    // Other buses, and the mechanism switched off.
    pc.write(0xcf8, 0x8001_3900, 4)
    expect(pc.read(0xcfc, 4)).toBe(0xffff_ffff)
    pc.write(0xcf8, 0x0000_3900, 4)
    expect(pc.read(0xcfc, 4)).toBe(0xffff_ffff)
  })

  it('tells the size of the bus master, which is idle wherever it is', () => {
    const pc = new Pc([{ channel: 0, device: 0, drive: { disk: hardDisk() } }])
    const before = pc.config(7, 1, 0x20)
    expect(before % 4).toBe(1)
    pc.setConfig(7, 1, 0x20, 0xffff_ffff)
    expect(pc.config(7, 1, 0x20)).toBe(0xfff1)
    for (const bar of [before, 0xc001]) {
      pc.setConfig(7, 1, 0x20, bar)
      const base = bar - 1
      expect([pc.read(base), pc.read(base + 2), pc.read(base + 8), pc.read(base + 10)]).toEqual([0, 0, 0, 0])
      const channel = new Channel(pc, 0)
      channel.command(0xe7, 0)
      expect([pc.read(base + 2), pc.read(base + 10)]).toEqual([4, 0])
      pc.write(base + 2, 0x24)
      expect(pc.read(base + 2)).toBe(0x20)
      pc.write(base + 2, 0)
      // Started, it is not active.
      pc.write(base + 4, 0x0012_3456, 4)
      pc.write(base, 9)
      expect([pc.read(base), pc.read(base + 2) & 7, pc.read(base + 4, 4)]).toEqual([8, 0, 0x0012_3454])
      pc.write(base, 0)
    }
    expect(pc.read(before - 1)).toBe(0xff)
  })
})
