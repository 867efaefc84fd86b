export { initRing } from './access.ts'
export {
  DrainResult,
  ReadResult,
  type RingConsumer,
  type RingHandler,
  SIGNAL_PRODUCER,
} from './consumer.ts'
export { type RingEngine, scriptEngine } from './engine.ts'
export { RingError, type RingErrorCode } from './errors.ts'
export * from './layout.ts'
export { Packet } from './packet.ts'
export { PrivateBuffer } from './private-buffer.ts'
export { NO_BYTES, type RingProducer, WriteResult } from './producer.ts'
export { GpaRanges, pageCountOf, RangeFault, RangeList, XferPageRanges } from './ranges.ts'
export { scatteredConsumer, scatteredProducer } from './scattered-ring.ts'
export {
  checkRing,
  longestPacket,
  packetBytes,
  type RingPair,
  ringBytesFor,
  ringDataBytes,
  splitRingPair,
} from './size.ts'
export { type MemoryCopy, memoryCopy } from './wasm/memory-copy.ts'
export { ringEngineFor } from './wasm/wasm-engine.ts'
