import type { RingConsumer, RingHandler } from '@bis/hyperv-types/ring'
import {
  ControlOffset,
  DrainResult,
  NO_BYTES,
  PacketType,
  ReadResult,
  RingError,
  SIGNAL_PRODUCER,
  WriteResult,
} from '@bis/hyperv-types/ring'
import { expect } from 'vitest'
import type { RingBed } from './bed.ts'
import { ends, pattern, payloadOf, put, send, take } from './bed.ts'

const { WRITTEN, WRITTEN_SIGNAL, RING_FULL, RING_CORRUPT } = WriteResult
const { EMPTY, PACKET, OVERSIZED, CORRUPT } = ReadResult
const WRITE = ControlOffset.writeIndex / 4
const READ = ControlOffset.readIndex / 4
const MASK = ControlOffset.interruptMask / 4
const PENDING = ControlOffset.pendingSendSize / 4
const D = 4096

class Collector implements RingHandler {
  readonly payloads: number[][] = []
  oversized: number[] = []
  signals = 0
  onEach: () => void = () => {}
  onPacket(packet: Parameters<RingHandler['onPacket']>[0]): void {
    this.payloads.push(payloadOf(packet))
    this.onEach()
  }
  onOversized(packet: Parameters<RingHandler['onOversized']>[0]): void {
    this.oversized.push(packet.length)
  }
  signalProducer(): void {
    this.signals++
  }
}

function skip(consumer: RingConsumer, count: number): void {
  for (let i = 0; i < count; i++) expect(consumer.next()).toBe(PACKET)
}

/** What every engine must do on every kind of memory. */
export const ringCases: readonly { readonly name: string; run(bed: RingBed): void }[] = [
  {
    name: '[GH-02] lays a packet out as the wire wants it, with nothing of the memory before in its padding',
    run(bed) {
      const { producer, data, control } = ends(bed, { start: 64, dirt: 0xee })
      const payload = Uint8Array.of(1, 2, 3, 4, 5)
      expect(producer.write(PacketType.completion, 1, 0x11223344, 0xffeeddcc, NO_BYTES, 0, payload, 0, 5)).toBe(
        WRITTEN_SIGNAL,
      )
      expect(Array.from(data.subarray(64, 96))).toEqual([
        0x0b,
        0,
        2,
        0,
        3,
        0,
        1,
        0,
        0x44,
        0x33,
        0x22,
        0x11,
        0xcc,
        0xdd,
        0xee,
        0xff, // descriptor
        1,
        2,
        3,
        4,
        5,
        0,
        0,
        0, // payload and padding
        0,
        0,
        0,
        0,
        64,
        0,
        0,
        0, // trailer
      ])
      expect(control[WRITE]).toBe(96)
      expect(data[96]).toBe(0xee)
    },
  },
  {
    name: 'gives back every field of a packet with extra header',
    run(bed) {
      const { producer, consumer } = ends(bed)
      const header = pattern(24, 3)
      const payload = pattern(40, 9)
      producer.write(PacketType.dataUsingGpaDirect, 1, 0xffffffff, 0x80000001, header, 16, payload, 8, 32)
      expect(consumer.next()).toBe(PACKET)
      const { packet } = consumer
      expect(packet).toMatchObject({
        type: 9,
        flags: 1,
        transactionIdLow: 0xffffffff,
        transactionIdHigh: 0x80000001,
        length: 64,
        dataOffset: 32,
        dataLength: 32,
      })
      expect(payloadOf(packet)).toEqual(Array.from(payload.subarray(8)))
      expect(Array.from(packet.bytes.subarray(16, packet.dataOffset))).toEqual(Array.from(header.subarray(0, 16)))
      expect(consumer.next()).toBe(EMPTY)
    },
  },
  {
    name: 'wraps at every place, with every kind of length',
    run(bed) {
      const lengths = [0, 1, 7, 8, 9, 24, 33, 64, 100, 255, 1500, D - 40]
      for (let start = 0; start < D; start += 8) {
        const length = lengths[(start / 8) % lengths.length] ?? 0
        const { producer, consumer, control } = ends(bed, { start, dirt: 0xaa })
        const payload = pattern(length, start)
        expect(send(producer, payload)).toBe(WRITTEN_SIGNAL)
        expect(take(consumer)).toEqual([...payload, ...new Array((8 - (length % 8)) % 8).fill(0)])
        consumer.commit()
        expect(control[READ]).toBe(control[WRITE])
      }
    },
  },
  {
    name: 'leaves 8 bytes free, refuses beyond, and loses nothing',
    run(bed) {
      const { producer, consumer } = ends(bed, { start: 800 })
      let sent = 0
      while (send(producer, pattern(40, sent), sent) !== RING_FULL) sent++
      // 64 bytes a packet: 64 of them would fill all 4096.
      expect(sent).toBe(63)
      expect(producer.freeBytes()).toBe(64)
      expect(send(producer, pattern(32, sent))).toBe(WRITTEN) // 56 bytes: exactly 8 stay free
      expect(send(producer, NO_BYTES)).toBe(RING_FULL)
      expect(producer.freeBytes()).toBe(8)
      expect(producer.ringFull).toBe(2)
      for (let i = 0; i < sent; i++) expect(take(consumer)).toEqual(Array.from(pattern(40, i)))
      expect(take(consumer)).toEqual(Array.from(pattern(32, sent)))
      expect(consumer.next()).toBe(EMPTY)
      consumer.commit()
      expect(producer.freeBytes()).toBe(D)
      expect(producer).toMatchObject({ packets: 64, signals: 1, suppressedSignals: 63 })
      expect(consumer.packets).toBe(64)
    },
  },
  {
    name: 'takes the longest packet, and refuses one that can never fit as the mistake it is',
    run(bed) {
      const { producer, consumer } = ends(bed, { start: 8 })
      expect(producer.longestPacket).toBe(D - 16)
      expect(send(producer, pattern(D - 32))).toBe(WRITTEN_SIGNAL)
      expect(take(consumer)).toEqual(Array.from(pattern(D - 32)))
      expect(() => send(producer, pattern(D - 31))).toThrow(RingError)
      expect(() => producer.write(6, 0, 1, 0, pattern(8), 4, NO_BYTES, 0, 0)).toThrow(/multiple of 8/)
      expect(() => producer.write(6, 0, 1, 0, pattern(8), 16, NO_BYTES, 0, 0)).toThrow(RingError)
      expect(() => producer.write(6, 0, 1, 0, NO_BYTES, 0, pattern(8), 1, 8)).toThrow(RingError)
      expect(() => producer.write(6, 0, 1, 0, NO_BYTES, 0, pattern(8), -1, 4)).toThrow(RingError)
      expect(() => producer.write(6, 0, 1, 0, NO_BYTES, 0, pattern(8), Number.NaN, 4)).toThrow(RingError)
    },
  },
  {
    name: 'publishes a batch with one index store and one signal',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      for (let i = 0; i < 8; i++) expect(put(producer, pattern(8, i))).toBe(WRITTEN)
      expect(control[WRITE]).toBe(0)
      expect(consumer.next()).toBe(EMPTY)
      expect(producer.publish()).toBe(WRITTEN_SIGNAL)
      expect(control[WRITE]).toBe(8 * 32)
      for (let i = 0; i < 8; i++) expect(take(consumer)).toEqual(Array.from(pattern(8, i)))
      expect(producer.publish()).toBe(WRITTEN)
      expect(producer).toMatchObject({ packets: 8, signals: 1, suppressedSignals: 0 })
    },
  },
  {
    name: '[RB-04] signals only the packet that makes the ring non-empty, and never a masked consumer',
    run(bed) {
      const { producer, consumer } = ends(bed)
      expect(send(producer, pattern(8))).toBe(WRITTEN_SIGNAL)
      for (let i = 0; i < 20; i++) expect(send(producer, pattern(8))).toBe(WRITTEN)
      skip(consumer, 21)
      expect(consumer.commit()).toBe(false)
      consumer.mask()
      expect(send(producer, pattern(8))).toBe(WRITTEN)
      expect(consumer.unmask()).toBe(true)
      skip(consumer, 1)
      expect(consumer.commit()).toBe(false)
      expect(consumer.unmask()).toBe(false)
      expect(send(producer, pattern(8))).toBe(WRITTEN_SIGNAL)
      expect(consumer.signals).toBe(0)
    },
  },
  {
    name: '[PF-01] at most one signal for each batch, however many packets',
    run(bed) {
      for (const size of [1, 8, 64]) {
        const { producer, consumer } = ends(bed, { pages: 4 })
        const collector = new Collector()
        for (let sent = 0; sent < 960; sent += size) {
          for (let i = 0; i < size; i++) put(producer, pattern(16, i))
          expect(producer.publish()).toBe(WRITTEN_SIGNAL)
          expect(consumer.drain(collector, 1000)).toBe(DrainResult.EMPTY)
        }
        expect(producer.signals).toBe(960 / size)
        expect(collector).toMatchObject({ signals: 0, payloads: { length: 960 } })
      }
    },
  },
  {
    name: 'asks for room when full, and is told on the step from too little to enough',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      while (send(producer, pattern(40)) !== RING_FULL);
      expect(control[PENDING]).toBe(64)
      // 64 bytes are free and 8 must stay so: after the first packet there are 128, more than the 64 asked for.
      skip(consumer, 1)
      expect(consumer.commit()).toBe(true)
      skip(consumer, 1)
      expect(consumer.commit()).toBe(false)
      expect(send(producer, pattern(40))).toBe(WRITTEN)
      expect(control[PENDING]).toBe(0)
    },
  },
  {
    name: 'read takes a packet, gives its room back, and tells of a signal that is due',
    run(bed) {
      const { producer, consumer, control } = ends(bed, { longest: 64, start: D - 64 })
      let sent = 0
      while (send(producer, pattern(40, sent)) !== RING_FULL) sent++
      expect(consumer.read()).toBe(PACKET | SIGNAL_PRODUCER)
      expect(payloadOf(consumer.packet)).toEqual(Array.from(pattern(40, 0)))
      expect(control[READ]).toBe(0)
      expect(consumer.signals).toBe(1)
      expect(consumer.next()).toBe(PACKET)
      expect(consumer.read()).toBe(PACKET) // gives both back
      expect(control[READ]).toBe(128)
      for (let i = 3; i < sent; i++) expect(consumer.read()).toBe(PACKET)
      expect(consumer.read()).toBe(EMPTY)
      send(producer, pattern(100))
      control[PENDING] = D - 128
      expect(consumer.read()).toBe(OVERSIZED | SIGNAL_PRODUCER)
      expect(consumer.packet.length).toBe(120)
      control[WRITE] = 3
      expect(consumer.read()).toBe(CORRUPT)
    },
  },
  {
    name: 'counts exactly as much room as asked for as not enough',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      while (send(producer, pattern(40)) !== RING_FULL);
      control[PENDING] = 128
      skip(consumer, 1)
      expect(consumer.commit()).toBe(false) // 128 free
      skip(consumer, 1)
      expect(consumer.commit()).toBe(true)
    },
  },
  {
    name: 'rounds a pending size of the ring less one down, as such producers exist',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      for (let i = 0; i < 3; i++) send(producer, pattern(40))
      control[PENDING] = D - 1
      skip(consumer, 2)
      expect(consumer.commit()).toBe(false)
      skip(consumer, 1)
      expect(consumer.commit()).toBe(true)
    },
  },
  {
    name: 'neither asks nor answers when the feature bit is clear',
    run(bed) {
      const { producer, consumer, control } = ends(bed, { pendingSendSize: false })
      expect(producer.flowControl).toBe(false)
      while (send(producer, pattern(40)) !== RING_FULL);
      expect(control[PENDING]).toBe(0)
      control[PENDING] = 64
      skip(consumer, 1)
      expect(consumer.commit()).toBe(false)
    },
  },
  {
    name: 'keeps waiting for a long packet while short ones still fit',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      while (send(producer, pattern(40)) !== RING_FULL);
      skip(consumer, 2)
      expect(consumer.commit()).toBe(true) // 192 free
      expect(send(producer, pattern(400))).toBe(RING_FULL)
      expect(control[PENDING]).toBe(424)
      expect(send(producer, pattern(8))).toBe(WRITTEN)
      expect(control[PENDING]).toBe(424)
      expect(send(producer, pattern(300))).toBe(RING_FULL)
      expect(control[PENDING]).toBe(328) // the shorter of the two that wait
      skip(consumer, 10)
      expect(consumer.commit()).toBe(true)
      expect(send(producer, pattern(400))).toBe(WRITTEN)
      expect(control[PENDING]).toBe(0)
      send(producer, pattern(2000))
      send(producer, pattern(2000))
      producer.cancelPending()
      expect(control[PENDING]).toBe(0)
    },
  },
  {
    name: '[RB-01] makes a batch public before it waits for room',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      put(producer, pattern(1500))
      put(producer, pattern(1500))
      expect(put(producer, pattern(1500))).toBe(RING_FULL)
      expect(control[WRITE]).toBe(2 * 1528)
      expect(producer.publish()).toBe(WRITTEN_SIGNAL)
      skip(consumer, 1)
      expect(consumer.commit()).toBe(true)
      expect(put(producer, pattern(1500))).toBe(WRITTEN)
      expect(producer.publish()).toBe(WRITTEN)
    },
  },
  {
    name: '[RB-02] unmask tells of a packet that came between the last look and the unmasking',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      const collector = new Collector()
      consumer.mask()
      expect(control[MASK]).toBe(1)
      expect(consumer.next()).toBe(EMPTY)
      expect(send(producer, pattern(8))).toBe(WRITTEN)
      expect(consumer.unmask()).toBe(true)
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(control[MASK]).toBe(0)
      expect(collector.payloads).toHaveLength(1)
    },
  },
  {
    name: '[RB-17] drain keeps to its budget, stays masked, and goes on later',
    run(bed) {
      const { producer, consumer, control } = ends(bed)
      const collector = new Collector()
      for (let i = 0; i < 5; i++) send(producer, pattern(8, i))
      expect(consumer.drain(collector, 3)).toBe(DrainResult.MORE)
      expect(collector.payloads).toHaveLength(3)
      expect(control[MASK]).toBe(1)
      expect(control[READ]).toBe(3 * 32)
      expect(send(producer, pattern(8))).toBe(WRITTEN)
      expect(consumer.drain(collector, 30)).toBe(DrainResult.EMPTY)
      expect(collector.payloads).toHaveLength(6)
      expect(control[READ]).toBe(6 * 32)
    },
  },
  {
    name: '[RB-16] a drain within a drain does nothing',
    run(bed) {
      const { producer, consumer } = ends(bed)
      const collector = new Collector()
      const nested: number[] = []
      collector.onEach = () => nested.push(consumer.drain(collector, 10))
      for (let i = 0; i < 3; i++) send(producer, pattern(8, i))
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(nested).toEqual([DrainResult.MORE, DrainResult.MORE, DrainResult.MORE])
      expect(collector.payloads).toEqual([0, 1, 2].map((i) => Array.from(pattern(8, i))))
    },
  },
  {
    name: 'drain can go on after its handler threw',
    run(bed) {
      const { producer, consumer } = ends(bed)
      const collector = new Collector()
      collector.onEach = () => {
        if (collector.payloads.length === 2) throw new Error('handler')
      }
      for (let i = 0; i < 4; i++) send(producer, pattern(8, i))
      expect(() => consumer.drain(collector, 10)).toThrow('handler')
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(collector.payloads).toEqual([0, 1, 2, 3].map((i) => Array.from(pattern(8, i))))
    },
  },
  {
    name: 'drain signals a blocked producer once there is room',
    run(bed) {
      const { producer, consumer } = ends(bed)
      const collector = new Collector()
      while (send(producer, pattern(1000)) !== RING_FULL);
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(collector.signals).toBe(1)
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(collector.signals).toBe(1)
    },
  },
  {
    name: '[RB-07] reads the longest packet whole, skips a longer one by its own length, once, and reads on',
    run(bed) {
      const { producer, consumer } = ends(bed, { longest: 128, start: D - 64 })
      const collector = new Collector()
      send(producer, pattern(112))
      send(producer, pattern(120))
      send(producer, pattern(1200))
      send(producer, pattern(112, 5))
      expect(consumer.longestPacket).toBe(128)
      expect(consumer.drain(collector, 10)).toBe(DrainResult.EMPTY)
      expect(collector.payloads).toEqual([Array.from(pattern(112)), Array.from(pattern(112, 5))])
      expect(collector.oversized).toEqual([136, 1216])
      expect(consumer).toMatchObject({ packets: 2, oversized: 2 })
    },
  },
  {
    name: '[RB-09] of a packet too long only the length is told, and no room is given back before commit',
    run(bed) {
      const { producer, consumer, control } = ends(bed, { longest: 64 })
      producer.write(PacketType.completion, 1, 77, 88, NO_BYTES, 0, pattern(100), 0, 100)
      send(producer, pattern(8))
      expect(consumer.next()).toBe(OVERSIZED)
      expect(consumer.packet).toMatchObject({
        type: 0,
        flags: 0,
        transactionIdLow: 0,
        transactionIdHigh: 0,
        length: 120,
        dataLength: 0,
      })
      expect(control[READ]).toBe(0)
      expect(take(consumer)).toEqual(Array.from(pattern(8)))
    },
  },
  {
    name: '[RB-08] a write index that cannot be ends the ring, with one report',
    run(bed) {
      for (const index of [D, D + 8, 4, 1, 0x7ffffff8, 0x80000000, 0xfffffff8, 0xffffffff]) {
        const { producer, consumer, control } = ends(bed)
        const collector = new Collector()
        send(producer, pattern(8))
        expect(consumer.next()).toBe(PACKET)
        control[WRITE] = index
        expect(consumer.next()).toBe(CORRUPT)
        expect(consumer.corruption).toContain(`write index ${index}`)
        control[WRITE] = 64
        expect(consumer.next()).toBe(CORRUPT)
        expect(consumer.unmask()).toBe(false)
        expect(consumer.readable()).toBe(0)
        expect(consumer.drain(collector, 10)).toBe(DrainResult.CORRUPT)
        expect(collector.payloads).toHaveLength(0)
      }
    },
  },
  {
    name: '[RB-08] a read index that cannot be ends the producer',
    run(bed) {
      for (const index of [D, 4, 0x80000000, 0xffffffff]) {
        const { producer, control } = ends(bed)
        control[READ] = index
        expect(send(producer, pattern(8))).toBe(RING_CORRUPT)
        expect(producer.corruption).toContain(`read index ${index}`)
        control[READ] = 0
        expect(send(producer, pattern(8))).toBe(RING_CORRUPT)
        expect(producer.publish()).toBe(RING_CORRUPT)
      }
    },
  },
  {
    name: '[RB-08] indices that are wrong from the start are reported, not thrown',
    run(bed) {
      for (const word of [WRITE, READ]) {
        const ring = bed.ring(8192)
        new Uint32Array(ring.buffer, ring.byteOffset, 1024)[word] = D
        const producer = bed.engine.producer(ring)
        const consumer = bed.engine.consumer(ring, 64)
        expect(send(producer, pattern(8))).toBe(RING_CORRUPT)
        expect(consumer.next()).toBe(CORRUPT)
      }
    },
  },
  {
    name: '[RB-08] descriptors that lie end the ring',
    run(bed) {
      // offset8, length8, readable bytes
      const lies = [
        [0, 4, 40],
        [1, 4, 40],
        [5, 4, 40],
        [2, 1, 40],
        [2, 0, 40],
        [2, 5, 40],
        [2, 65535, 40],
        [65535, 65535, 40],
        [2, 2, 16],
        [2, 2, 8],
      ] as const
      for (const [offset8, length8, readable] of lies) {
        const { consumer, control, data } = ends(bed)
        data.set([6, 0, offset8 & 255, offset8 >> 8, length8 & 255, length8 >> 8])
        control[WRITE] = readable
        expect(consumer.next(), `${offset8} ${length8} ${readable}`).toBe(CORRUPT)
        expect(consumer.corruption).toMatch(/packet/)
        expect(consumer.commit()).toBe(false)
        expect(control[READ]).toBe(0)
      }
    },
  },
  {
    name: '[RB-15] touches the ring no more once closed',
    run(bed) {
      const { producer, consumer } = ends(bed)
      send(producer, pattern(8))
      consumer.close()
      expect(consumer.next()).toBe(CORRUPT)
      expect(consumer.corruption).toBe('closed')
      expect(consumer.drain(new Collector(), 10)).toBe(DrainResult.CORRUPT)
      producer.close()
      expect(producer.corruption).toBe('closed')
      expect(send(producer, pattern(8))).toBe(RING_CORRUPT)
      expect(producer.publish()).toBe(RING_CORRUPT)
    },
  },
  {
    name: '[RB-13] [RB-14] any number of pages of 4096 bytes makes a ring, and all of its bytes but 8 can be used',
    run(bed) {
      for (const pages of [2, 3, 4, 5, 7, 17, 33]) {
        const { producer, consumer, ring } = ends(bed, { pages, longest: 1024 })
        const size = ring.byteLength - 4096
        expect(producer.dataBytes).toBe(size)
        expect(consumer.dataBytes).toBe(size)
        for (let round = 0; round < 3; round++) {
          let sent = 0
          while (send(producer, pattern(1000, sent)) !== RING_FULL) sent++
          expect(sent).toBe(Math.ceil(size / 1024) - 1)
          for (let i = 0; i < sent; i++) expect(take(consumer)).toEqual(Array.from(pattern(1000, i)))
          consumer.commit()
        }
      }
    },
  },
  {
    name: '[RB-11] passes every transaction id on untouched, 0 and all ones too',
    run(bed) {
      const { producer, consumer } = ends(bed)
      const ids = [
        [0, 0],
        [0xffffffff, 0xffffffff],
        [0, 0x80000000],
        [1, 0],
        [0x89abcdef, 0x01234567],
      ] as const
      for (const [low, high] of ids) producer.write(PacketType.completion, 0, low, high, NO_BYTES, 0, NO_BYTES, 0, 0)
      for (const [low, high] of ids) {
        expect(consumer.next()).toBe(PACKET)
        expect([consumer.packet.transactionIdLow, consumer.packet.transactionIdHigh]).toEqual([low, high])
      }
    },
  },
  {
    name: 'passes on unknown types and flags as they are',
    run(bed) {
      const { producer, consumer } = ends(bed)
      producer.write(0xfffe, 0xfffd, 0, 0, NO_BYTES, 0, NO_BYTES, 0, 0)
      expect(consumer.next()).toBe(PACKET)
      expect(consumer.packet).toMatchObject({ type: 0xfffe, flags: 0xfffd, length: 16, dataLength: 0 })
    },
  },
  {
    name: 'goes on from the indices it finds',
    run(bed) {
      const { ring, producer, consumer } = ends(bed)
      send(producer, pattern(16, 1))
      send(producer, pattern(16, 2))
      skip(consumer, 1)
      consumer.commit()
      send(bed.engine.producer(ring), pattern(16, 3))
      const heir = bed.engine.consumer(ring, 64)
      expect(take(heir)).toEqual(Array.from(pattern(16, 2)))
      expect(take(heir)).toEqual(Array.from(pattern(16, 3)))
      expect(take(heir)).toBe(EMPTY)
    },
  },
]
