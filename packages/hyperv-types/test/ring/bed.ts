import { GuestMemory } from '@bis/hyperv-types'
import type { Packet, RingConsumer, RingEngine, RingProducer, WriteResult } from '@bis/hyperv-types/ring'
import {
  initRing,
  NO_BYTES,
  PacketType,
  ReadResult,
  ringEngineFor,
  scatteredConsumer,
  scatteredProducer,
  scriptEngine,
} from '@bis/hyperv-types/ring'

/** Where a ring's bytes come from, and what works on them. */
export interface RingBed {
  readonly name: string
  readonly engine: RingEngine
  /** A window of zeroed memory, 4096-aligned. What an earlier call gave is no longer used. */
  ring(bytes: number): Uint8Array
}

export interface Pair {
  readonly ring: Uint8Array
  readonly control: Uint32Array
  readonly data: Uint8Array
  readonly producer: RingProducer
  readonly consumer: RingConsumer
}

export function ends(
  bed: RingBed,
  options: { pages?: number; longest?: number; start?: number; pendingSendSize?: boolean; dirt?: number } = {},
): Pair {
  const ring = bed.ring((options.pages ?? 2) * 4096)
  initRing(ring, options)
  const control = new Uint32Array(ring.buffer, ring.byteOffset, 1024)
  const data = ring.subarray(4096)
  data.fill(options.dirt ?? 0)
  control[0] = control[1] = options.start ?? 0
  return {
    ring,
    control,
    data,
    producer: bed.engine.producer(ring),
    consumer: bed.engine.consumer(ring, options.longest ?? 4096),
  }
}

/** Bytes that tell their own place. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255)
}

export function send(producer: RingProducer, payload: Uint8Array, id = 1): WriteResult {
  return producer.write(PacketType.dataInBand, 0, id, 0, NO_BYTES, 0, payload, 0, payload.length)
}

export function put(producer: RingProducer, payload: Uint8Array, id = 1): WriteResult {
  return producer.put(PacketType.dataInBand, 0, id, 0, NO_BYTES, 0, payload, 0, payload.length)
}

/** The payload of the next packet as plain numbers, or what `next` said instead. */
export function take(consumer: RingConsumer): number[] | Exclude<ReadResult, 1> {
  const found = consumer.next()
  return found === ReadResult.PACKET ? payloadOf(consumer.packet) : found
}

export function payloadOf(packet: Packet): number[] {
  return Array.from(packet.bytes.subarray(packet.dataOffset, packet.dataOffset + packet.dataLength))
}

function window(buffer: ArrayBufferLike, at: number, bytes: number): Uint8Array {
  const view = new Uint8Array(buffer, at, bytes)
  view.fill(0)
  return view
}

const ROOM = 1 << 20

/** Script over each kind of memory. */
export const scriptBeds: readonly RingBed[] = [
  { name: 'script on ArrayBuffer', buffer: new ArrayBuffer(ROOM) },
  { name: 'script on SharedArrayBuffer', buffer: new SharedArrayBuffer(ROOM) },
].map(({ name, buffer }) => ({ name, engine: scriptEngine, ring: (bytes) => window(buffer, 8192, bytes) }))

function pagesOf(ring: Uint8Array): Uint8Array[] {
  return Array.from({ length: ring.length / 4096 }, (_, page) => ring.subarray(page * 4096, page * 4096 + 4096))
}

/** A ring given page by page, at both ends or at one. */
export const scatteredBeds: readonly RingBed[] = [
  { name: 'pages at both ends', scattered: ['producer', 'consumer'] },
  { name: 'pages at the producer', scattered: ['producer'] },
  { name: 'pages at the consumer', scattered: ['consumer'] },
].map(({ name, scattered }) => ({
  name,
  ring: (bytes) => window(new SharedArrayBuffer(ROOM), 8192, bytes),
  engine: {
    ...scriptEngine,
    producer: (ring) =>
      scattered.includes('producer') ? scatteredProducer(pagesOf(ring)) : scriptEngine.producer(ring),
    consumer: (ring, longest) =>
      scattered.includes('consumer') ? scatteredConsumer(pagesOf(ring), longest) : scriptEngine.consumer(ring, longest),
  },
}))

/** A shared WebAssembly.Memory, with script or WebAssembly at each end. */
export function wasmBeds(): readonly RingBed[] {
  const region = GuestMemory.allocate(ROOM).regions[0]
  if (region === undefined) throw new Error('no memory')
  const open: { close(): void }[] = []
  const wasm = remembering(ringEngineFor(region), open)
  const ring = (bytes: number) => {
    for (const end of open.splice(0)) end.close()
    return window(region.bytes.buffer, 8192, bytes)
  }
  const inPlace = { ...wasm, producer: (ring: Uint8Array) => buildingInPlace(wasm, wasm.producer(ring)) }
  return [
    { name: 'WebAssembly', ring, engine: inPlace },
    { name: 'WebAssembly, packets from elsewhere', ring, engine: wasm },
    { name: 'script to WebAssembly', ring, engine: { ...wasm, producer: scriptEngine.producer } },
    { name: 'WebAssembly to script', ring, engine: { ...inPlace, consumer: scriptEngine.consumer } },
    { name: 'script on WebAssembly.Memory', ring, engine: scriptEngine },
  ]
}

/** Private memory is scarce: keeps what an engine makes, so that a new ring can close the ends of the one before. */
function remembering(engine: RingEngine, open: { close(): void }[]): RingEngine {
  const kept = <End extends RingProducer | RingConsumer>(end: End): End => {
    if (!end.constructor.name.startsWith('Wasm')) throw new Error('no private memory left')
    open.push(end)
    return end
  }
  return {
    ...engine,
    producer: (ring) => kept(engine.producer(ring)),
    consumer: (ring, longest) => kept(engine.consumer(ring, longest)),
  }
}

/** A producer whose packets are first laid into the engine's own memory. */
function buildingInPlace(engine: RingEngine, producer: RingProducer): RingProducer {
  const placed = (bytes: Uint8Array) => {
    const copy = engine.allocate(bytes.length)
    copy.set(bytes)
    return copy
  }
  const inPlace = (write: RingProducer['write']): RingProducer['write'] => {
    return (type, flags, low, high, header, headerLength, payload, offset, length) => {
      const there = [placed(header), placed(payload)] as const
      try {
        return write.call(producer, type, flags, low, high, there[0], headerLength, there[1], offset, length)
      } finally {
        there.forEach(engine.free)
      }
    }
  }
  return new Proxy(producer, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'write') return inPlace(target.write)
      if (name === 'put') return inPlace(target.put)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
