import type { Logger } from '@bis/hyperv-types'
import { parseVersion, versionsToTry } from '../control/versions.ts'
import type { IsolationPolicy } from './isolation.ts'
import { isolatedMinVersion } from './isolation.ts'
import type { VmbusOptions } from './options.ts'

/**
 * The versions to ask the host for, newest first: what options, the tunable and isolation leave.
 * @param tunable the value of `hw.vmbus.max_version`; empty for none
 */
export function versionsToAsk(
  options: Pick<VmbusOptions, 'minVersion' | 'maxVersion'>,
  isolation: IsolationPolicy | undefined,
  tunable: string,
  log: Logger,
): readonly number[] {
  const cap = tunable === '' ? undefined : parseVersion(tunable)
  if (tunable !== '' && cap === undefined) {
    log.log('warning', `hw.vmbus.max_version=${tunable} is no version (such as 4.0); ignored`)
  }
  const max = Math.min(cap ?? Infinity, options.maxVersion ?? Infinity)
  const floor = isolation === undefined ? 0 : isolatedMinVersion(isolation)
  return versionsToTry({ max, min: Math.max(floor, options.minVersion ?? 0) })
}
