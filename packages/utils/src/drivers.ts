import type { Channel, Driver } from '@bis/hyperv-types'
import { heartbeatDriver } from './heartbeat/heartbeat.ts'

/** The drivers of module `hv_utils`. */
export function utilsDrivers(): readonly Driver<Channel>[] {
  return [heartbeatDriver()]
}
