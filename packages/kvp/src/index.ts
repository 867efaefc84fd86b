export { isIpv4, isIpv6, maskOfPrefix } from '@bis/hyperv-types/ic'
export { type AutoValues, type NetworkConfiguration, PoolServer, type PoolServerOptions } from './daemon/pool-server.ts'
export { type DaemonOptions, type RunOptions, runDaemon, serveDevice } from './daemon/run-daemon.ts'
export { KVP_DEVICES, type KvpDeviceKind } from './device/system.ts'
export { type GuestServerOptions, guestServer } from './driver/guest-server.ts'
export { type KvpDriverOptions, kvpDriver } from './driver/kvp-driver.ts'
export { KvpError, type KvpErrorCode } from './errors.ts'
export { checkSetting, type IpInformation, validOnly } from './ip/ip-information.ts'
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
export type { KvpReply, KvpRequest, KvpServer } from './request.ts'
