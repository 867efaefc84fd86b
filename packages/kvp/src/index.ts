export { KvpError, type KvpErrorCode } from './errors.ts'
export { KVP_RECORD_BYTES, KvpEntry } from './pool/entry.ts'
export { KVP_AZURE_VALUE_BYTES, type KvpLimit } from './pool/limits.ts'
export {
  deleteLong,
  getLong,
  type LongValueOptions,
  type SplitStyle,
  setLong,
  splitText,
} from './pool/long-values.ts'
export { MemoryPool } from './pool/memory-pool.ts'
export type { KvpEdit, KvpPool, KvpPoolNumber, SetOptions } from './pool/pool.ts'
