import { SendStatus } from '@bis/hyperv-types'
import { describe, expect, it } from 'vitest'
import { Bench, pattern, withRamDisk } from '../support/bench.ts'
import type { TamperedPacket } from '../support/tampered.ts'
import { generator, tampered } from '../support/tampered.ts'

/** Whether it is the answer to an I/O (and not to the handshake). */
const isIo = ({ type, high }: TamperedPacket): boolean => type === 11 && high === 0

async function withTamper(tamper: Parameters<typeof tampered>[1], processorCount = 1): Promise<Bench> {
  return await new Bench(tampered(withRamDisk()[0], tamper), { processorCount }).attach()
}

async function works(bench: Bench): Promise<void> {
  const disk = bench.disk()
  const data = pattern(8192)
  await disk.write(0, data)
  const back = new Uint8Array(8192)
  await disk.read(0, back)
  expect(back).toEqual(data)
}

describe('[GH-01] answers that make no sense are ignored and counted', () => {
  const nonsense: [string, (packet: TamperedPacket) => Partial<TamperedPacket>][] = [
    ['[ST-06] id 0', () => ({ low: 0 })],
    ['[RB-10] an id of no slot', () => ({ low: 0xffff })],
    ['[RB-10] an earlier use of the slot', ({ low }) => ({ low: (low - 0x10000) >>> 0 })],
    ['[RB-10] a high word', () => ({ high: 7 })],
    ['[ST-06] the id of a control packet', () => ({ high: 1 })],
    ['a packet type nobody knows', () => ({ type: 0x77 })],
    ['an unsolicited operation nobody knows', () => ({ type: 6, low: 0 })],
    ['an unsolicited packet without header', () => ({ type: 6, low: 0, data: new Uint8Array(8) })],
    ['[VC-02] a second answer', (packet) => packet],
  ]
  it.each(nonsense)('%s', async (name, change) => {
    const bench = await withTamper((packet, send) => {
      const isSecond = name.includes('second')
      if (isIo(packet) && !isSecond) send({ ...packet, ...change(packet) })
      const result = send(packet)
      if (isIo(packet) && isSecond) send({ ...packet, ...change(packet) })
      return result
    })
    await works(bench)
    expect(bench.sysctl('dev.storvsc.0.protocol_errors')).toBeGreaterThan(5)
    expect(bench.sysctl('dev.storvsc.0.in_flight')).toBe(0)
  })

  it('an answer on another channel than the request', async () => {
    const sends: ((packet: TamperedPacket) => SendStatus)[] = []
    const bench = await withTamper((packet, send) => {
      sends[packet.subIndex] = send
      if (isIo(packet)) sends[packet.subIndex === 0 ? 1 : 0]?.(packet)
      return send(packet)
    }, 2)
    await bench.disk().execute([0, 0, 0, 0, 0, 0], { cpu: 1 })
    await works(bench)
    expect(bench.sysctl('dev.storvsc.0.protocol_errors')).toBeGreaterThan(0)
  })

  it('an answer too short, or that is none, ends its request and nothing else', async () => {
    let left = 0
    const bench = await withTamper((packet, send) => {
      if (!isIo(packet) || left === 0) return send(packet)
      const data = left-- === 2 ? packet.data.map((byte, i) => (i === 0 ? 3 : byte)) : packet.data.subarray(0, 40)
      return send({ ...packet, data })
    })
    left = 3
    const disk = bench.disk()
    for (let i = 0; i < 3; i++)
      await disk.read(0, new Uint8Array(512)).catch((error) => expect(error.code).toBe('protocol'))
    await works(bench)
  })

  it('[GH-04] every number that a host can lie about is brought into range', async () => {
    const lies = [0, 1, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff]
    for (const lie of lies) {
      const bench = new Bench(
        tampered(withRamDisk()[0], (packet, send) => {
          const view = new DataView(packet.data.buffer)
          if (packet.high === 1 && view.getUint32(24, true) === 0x40000) {
            view.setUint16(16, lie, true)
            view.setUint32(24, lie, true)
          }
          if (isIo(packet)) {
            view.setUint8(21, lie & 0xff)
            if (lie >= 0x7fff) view.setUint32(24, lie, true)
          }
          return send(packet)
        }),
        { processorCount: 2 },
      )
      await bench.attach()
      const disk = bench.kernel.disks.get('da0')
      if (lie >= 0x7fff) await works(bench)
      else if (disk !== undefined) await disk.read(0, new Uint8Array(512)).catch(() => {})
    }
  })
})

it('[GH-01] survives 50000 answers of every kind of nonsense', async () => {
  const random = generator(42)
  let chaos = false
  const bench = await withTamper((packet, send) => {
    if (!chaos) return send(packet)
    for (let n = random(20); n > 0; n--) {
      const length = random(10) === 0 ? random(2000) : [0, 12, 16, 40, 48, 64][random(6)]
      const data = new Uint8Array(length ?? 64)
      data.set(packet.data.subarray(0, data.length))
      for (let k = random(6); k > 0; k--) data[random(data.length || 1)] = random(256)
      const low = [packet.low, random(2 ** 32), random(70), 0][random(4)] ?? 0
      const high = random(3) === 0 ? random(3) : 0
      send({ ...packet, type: [6, 11, 11, 7, 9, random(65_536)][random(6)] ?? 11, low, high, data })
    }
    return send(packet)
  })
  chaos = true
  const disk = bench.disk()
  for (let round = 0; round < 100; round++) {
    const writes = Array.from({ length: 50 }, (_, i) => disk.write(i * 4096, new Uint8Array(4096).fill(i)))
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === 'rejected') expect(result.reason.name).toBe('DeviceError')
    }
  }
  chaos = false
  await new Promise((resolve) => setTimeout(resolve, 20))
  await expect.poll(() => bench.kernel.disks.get('da0')).toBeDefined()
  await works(bench)
  expect(bench.dmesg.length).toBeLessThan(300)
}, 60_000)

it('[GH-05] delays and reordering change nothing, whatever the seed', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = generator(seed)
    const held: (() => void)[] = []
    const bench = await withTamper((packet, send) => {
      if (!isIo(packet)) return send(packet)
      held.push(() => void send(packet))
      setTimeout(() => held.splice(random(held.length), 1)[0]?.(), random(3))
      return SendStatus.sent
    }, 2)
    const disk = bench.disk()
    const data = Array.from({ length: 64 }, (_, i) => pattern(4096 * (1 + (i % 3)), i))
    await Promise.all(data.map((bytes, i) => disk.write(i * 16384, bytes)))
    const back = data.map(({ length }) => new Uint8Array(length))
    await Promise.all(back.map((bytes, i) => disk.read(i * 16384, bytes)))
    expect(back.map((bytes, i) => Buffer.compare(bytes, data[i] ?? bytes))).toEqual(data.map(() => 0))
  }
}, 60_000)

it('[ST-05] unsolicited packets have their own least length', async () => {
  const bench = await withTamper((packet, send) => {
    if (isIo(packet)) {
      const data = new Uint8Array(16)
      data[0] = 11
      send({ ...packet, type: 6, low: 0, data })
    }
    return send(packet)
  })
  await works(bench)
  expect(bench.sysctl('dev.storvsc.0.bus_events')).toBeGreaterThan(0)
  expect(bench.sysctl('dev.storvsc.0.protocol_errors')).toBe(0)
})
