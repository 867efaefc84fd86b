import type { Channel, Driver } from '@bis/hyperv-types'
import { heartbeatDriver } from './heartbeat/heartbeat.ts'
import type { ShutdownOptions } from './shutdown/shutdown.ts'
import { shutdownDriver } from './shutdown/shutdown.ts'
import type { TimesyncOptions } from './timesync/timesync.ts'
import { timesyncDriver } from './timesync/timesync.ts'

export interface UtilsOptions extends ShutdownOptions, TimesyncOptions {}

/** The drivers of module `hv_utils`. */
export function utilsDrivers(options: UtilsOptions = {}): readonly Driver<Channel>[] {
  return [heartbeatDriver(), shutdownDriver(options), timesyncDriver(options)]
}
