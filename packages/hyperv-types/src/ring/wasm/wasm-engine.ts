import type { WasmMemory } from '../../memory/backing.ts'
import { RingAccess } from '../access.ts'
import { scratchBytes } from '../consumer.ts'
import type { RingEngine } from '../engine.ts'
import { scriptEngine } from '../engine.ts'
import { checkRing } from '../size.ts'
import { memoryCopy } from './memory-copy.ts'
import { PrivateMemory } from './private-memory.ts'
import { ringCode, STATE_BYTES } from './wasm-code.ts'
import { WasmConsumer } from './wasm-consumer.ts'
import { WasmProducer } from './wasm-producer.ts'

/** One for each memory: calls from script are fastest when they always reach the same code. */
const engines = new WeakMap<WasmMemory, RingEngine>()

/**
 * The engine for rings in a region of guest memory: WebAssembly when the region has it, script otherwise.
 * Code that runs in WebAssembly on the same memory could reach the private copies; a host with such a guest takes
 * `scriptEngine`.
 * @param region a `MemoryRegion`; what lies behind its `byteLength` bytes in a WebAssembly.Memory is private
 */
export function ringEngineFor(region: { readonly byteLength: number; readonly wasm?: WasmMemory }): RingEngine {
  const { wasm } = region
  if (wasm === undefined) return scriptEngine
  let engine = engines.get(wasm)
  if (engine === undefined) {
    engine = wasmEngine(wasm, region.byteLength)
    engines.set(wasm, engine)
  }
  return engine
}

function wasmEngine(memory: WasmMemory, privateStart: number): RingEngine {
  const code = ringCode(memory)
  const own = new PrivateMemory(memory, privateStart)
  return {
    kind: 'wasm',
    producer(ring) {
      checkRing(ring)
      if (ring.buffer !== memory.buffer) return scriptEngine.producer(ring)
      const state = own.allocate(STATE_BYTES)
      if (state === undefined) return scriptEngine.producer(ring)
      return new WasmProducer(new RingAccess(ring), ring, state, code, own)
    },
    consumer(ring, longestPacket) {
      checkRing(ring)
      const bytes = STATE_BYTES + scratchBytes(ring, longestPacket)
      const state = ring.buffer === memory.buffer ? own.allocate(bytes) : undefined
      if (state === undefined) return scriptEngine.consumer(ring, longestPacket)
      return new WasmConsumer(new RingAccess(ring), ring, state, code, own)
    },
    allocate: (bytes) => own.allocate(bytes) ?? new Uint8Array(bytes),
    free: (buffer) => own.free(buffer),
    copy: memoryCopy(memory),
  }
}
