import { readFileSync } from 'node:fs'
import { GuestMemory } from '@bis/hyperv-types'
import type { RingConsumer, RingProducer } from '@bis/hyperv-types/ring'
// @ts-expect-error plain script
import { assemble } from '../../scripts/assemble-ring.mjs'
import { RingAccess } from '../../src/ring/access.ts'
import { ScriptConsumer } from '../../src/ring/script-consumer.ts'
import { ScriptProducer } from '../../src/ring/script-producer.ts'
import { PrivateMemory } from '../../src/ring/wasm/private-memory.ts'
import type { RingCode } from '../../src/ring/wasm/wasm-code.ts'
import { STATE_BYTES } from '../../src/ring/wasm/wasm-code.ts'
import { WasmConsumer } from '../../src/ring/wasm/wasm-consumer.ts'
import { WasmProducer } from '../../src/ring/wasm/wasm-producer.ts'
import { Port } from './interleave.ts'

export const DATA_BYTES = 4096
const RING_BYTES = 4096 + DATA_BYTES

/** Offsets of the control page are the words of the model. */
export class PortAccess extends RingAccess {
  readonly port: Port

  constructor(ring: Uint8Array, port: Port) {
    super(ring)
    this.port = port
  }

  override loadWriteIndex = () => this.port.load(0)
  override storeWriteIndex = (index: number) => this.port.store(0, index)
  override loadReadIndex = () => this.port.load(4)
  override storeReadIndex = (index: number) => this.port.store(4, index)
  override loadInterruptMask = () => this.port.load(8)
  override storeInterruptMask = (mask: number) => this.port.store(8, mask)
  override loadPendingSendSize = () => this.port.load(12)
  override storePendingSendSize = (bytes: number) => this.port.store(12, bytes)
  override loadPendingSendSizeFeature = () => this.port.load(64) === 1
}

/** The two ends of a ring as they ship, with their shared words behind ports. */
export interface ModelEnds {
  readonly name: string
  readonly toProducer: Port
  readonly toConsumer: Port
  /** The window that the consumer reads. */
  readonly consumerRing: Uint8Array
  /** Both start from the beginning: the indices are read from the port. */
  producer(): RingProducer
  consumer(): RingConsumer
  /** Makes every place of the data area look like the beginning of a packet of this length. */
  expectPackets(length: number): void
}

/**
 * Each end has a data area of its own, as a program that is run again must find what it found the first time; what the
 * producer writes there is another test's business.
 */
function dataAreas(bytes: Uint8Array) {
  const forProducer = bytes.subarray(0, RING_BYTES)
  const forConsumer = bytes.subarray(RING_BYTES, 2 * RING_BYTES)
  const data = new DataView(forConsumer.buffer, forConsumer.byteOffset + 4096, DATA_BYTES)
  const expectPackets = (length: number) => {
    for (let at = 0; at < DATA_BYTES; at += 8) {
      data.setUint32(at, 6 | (2 << 16), true)
      data.setUint32(at + 4, length / 8, true)
    }
  }
  return { forProducer, forConsumer, expectPackets }
}

export function scriptEnds(): ModelEnds {
  const { forProducer, forConsumer, expectPackets } = dataAreas(new Uint8Array(2 * RING_BYTES))
  const toProducer = new Port()
  const toConsumer = new Port()
  const scratch = new Uint8Array(DATA_BYTES)
  return {
    name: 'script',
    toProducer,
    toConsumer,
    consumerRing: forConsumer,
    producer: () => new ScriptProducer(new PortAccess(forProducer, toProducer)),
    consumer: () => new ScriptConsumer(new PortAccess(forConsumer, toConsumer), scratch),
    expectPackets,
  }
}

/** ring.wat with every atomic access turned into a call, so that it can be stopped there. */
export async function wasmEnds(): Promise<ModelEnds> {
  const source = readFileSync(new URL('../../src/ring/wasm/ring.wat', import.meta.url), 'utf8')
  const atomics = /\(i32\.atomic\.(load|store)(?: offset=(\d+))? /g
  const words = [0, 4, 8, 12, 64]
  const imports = words.map(
    (word) =>
      `(import "env" "load${word}" (func $load${word} (param i32) (result i32)))
       (import "env" "store${word}" (func $store${word} (param i32 i32)))`,
  )
  const opened = source
    .replace(atomics, (_, kind: string, word = '0') => `(call $${kind}${word} `)
    .replace('(import "env" "memory"', `${imports.join('\n')}\n(import "env" "memory"`)
  if (opened.includes('atomic.')) throw new Error('an atomic access of ring.wat escaped')
  const region = GuestMemory.allocate(1 << 20).regions[0]
  if (region?.wasm === undefined) throw new Error('no memory')
  const { forProducer, forConsumer, expectPackets } = dataAreas(region.bytes)
  const toProducer = new Port()
  const toConsumer = new Port()
  const portOf = (ring: number) => (ring === forProducer.byteOffset ? toProducer : toConsumer)
  const env: Record<string, unknown> = { memory: region.wasm }
  for (const word of words) {
    env[`load${word}`] = (ring: number) => portOf(ring).load(word)
    env[`store${word}`] = (ring: number, value: number) => portOf(ring).store(word, value)
  }
  const module = new WebAssembly.Module(await assemble(opened))
  const code = { ...new WebAssembly.Instance(module, { env }).exports } as unknown as RingCode
  const own = new PrivateMemory(region.wasm, region.byteLength)
  const state = own.allocate(STATE_BYTES)
  const consumerState = own.allocate(STATE_BYTES + DATA_BYTES)
  if (state === undefined || consumerState === undefined) throw new Error('no private memory')
  return {
    name: 'WebAssembly',
    toProducer,
    toConsumer,
    consumerRing: forConsumer,
    producer() {
      state.fill(0)
      return new WasmProducer(new PortAccess(forProducer, toProducer), forProducer, state, code, own)
    },
    consumer() {
      consumerState.fill(0, 0, STATE_BYTES)
      return new WasmConsumer(new PortAccess(forConsumer, toConsumer), forConsumer, consumerState, code, own)
    },
    expectPackets,
  }
}
