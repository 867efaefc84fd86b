import type { Channel, Driver } from '@bis/hyperv-types'
import type { FileCopyOptions } from './fcopy/fcopy.ts'
import { fileCopyDriver } from './fcopy/fcopy.ts'
import { heartbeatDriver } from './heartbeat/heartbeat.ts'
import type { ShutdownOptions } from './shutdown/shutdown.ts'
import { shutdownDriver } from './shutdown/shutdown.ts'
import type { TimesyncOptions } from './timesync/timesync.ts'
import { timesyncDriver } from './timesync/timesync.ts'
import type { VssOptions } from './vss/vss.ts'
import { vssDriver } from './vss/vss.ts'

export interface UtilsOptions extends ShutdownOptions, TimesyncOptions, VssOptions, FileCopyOptions {}

/** The drivers of module `hv_utils`. */
export function utilsDrivers(options: UtilsOptions = {}): readonly Driver<Channel>[] {
  return [
    heartbeatDriver(),
    shutdownDriver(options),
    timesyncDriver(options),
    vssDriver(options),
    fileCopyDriver(options),
  ]
}
