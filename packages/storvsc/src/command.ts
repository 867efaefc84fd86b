import type { StorvscAdapter } from './adapter.ts'
import type { ExecuteOptions, ScsiResult } from './execute.ts'
import { execute } from './execute.ts'
import type { ScsiAddress } from './scsi-address.ts'
import { judge, outcomeError } from './verdict.ts'

export interface CommandOptions extends ExecuteOptions {
  /** Told of each unit attention before the command is tried again. */
  readonly onAttention?: (asc: number, ascq: number) => void
}

const WAIT_MS = 100
/** Tries in all; those that wait take 10 s. */
const MAX_TRIES = 100

/**
 * Does a command and tries it again where that may help: after a unit attention, while the device is busy, and a few times
 * after anything else.
 * @throws DeviceError with the verdict's code
 */
export async function command(
  adapter: StorvscAdapter,
  address: ScsiAddress,
  cdb: readonly number[],
  options: CommandOptions = {},
): Promise<ScsiResult> {
  let retries = 0
  for (let tries = 0; ; tries++) {
    const result = await execute(adapter, address, cdb, options)
    const verdict = judge(result)
    if (verdict.action === 'good') return result
    if (verdict.action === 'attention') options.onAttention?.(verdict.asc, verdict.ascq)
    const final = verdict.action === 'fail' || verdict.action === 'removed'
    const spent = verdict.action === 'retry' && retries++ >= adapter.settings.retryCount
    if (final || spent || tries >= MAX_TRIES) throw outcomeError(result, verdict)
    adapter.statistics.retries++
    if (verdict.action !== 'wait') continue
    await new Promise<void>((resolve) => adapter.clock.after(WAIT_MS, resolve))
  }
}
