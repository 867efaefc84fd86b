import type { DeviceErrorCode } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import {
  describeOpcode,
  describeScsiStatus,
  describeSense,
  ScsiOpcode,
  ScsiStatus,
  SenseKey,
} from '@bis/hyperv-types/scsi'
import { describeSrbStatus, SRB_STATUS_AUTOSENSE_VALID, SRB_STATUS_MASK, SrbStatus } from '@bis/hyperv-types/storage'
import type { RequestFailure } from './request.ts'

/** What an answer, or its absence, says. */
export interface Outcome {
  readonly cdb: Uint8Array
  readonly failure: RequestFailure | undefined
  readonly srbStatus: number
  readonly scsiStatus: number
  readonly senseLength: number
  readonly sense: Uint8Array
}

/**
 * What to do about it. `good`: done; `attention`: take note and try again; `retry`: try again, a few times; `wait`: try
 * again later; `removed`: there is no such unit any more; `fail`: no use trying again.
 */
export interface Verdict {
  readonly action: 'good' | 'attention' | 'retry' | 'wait' | 'removed' | 'fail'
  /** The error when it comes to that. */
  readonly code: DeviceErrorCode
  readonly asc: number
  readonly ascq: number
}

interface SenseData {
  readonly key: number
  readonly asc: number
  readonly ascq: number
}

/** Commands that hosts answer with an overrun although the data is there: they count as done. */
const OVERRUN_IS_GOOD: ReadonlySet<number> = new Set([
  ScsiOpcode.INQUIRY,
  ScsiOpcode.MODE_SENSE_6,
  ScsiOpcode.MODE_SENSE_10,
  ScsiOpcode.MAINTENANCE_IN,
  ScsiOpcode.PERSISTENT_RESERVE_IN,
])

const NO_UNIT: ReadonlySet<number> = new Set([
  SrbStatus.INVALID_LUN,
  SrbStatus.INVALID_TARGET_ID,
  SrbStatus.INVALID_PATH_ID,
  SrbStatus.NO_DEVICE,
  SrbStatus.NO_HBA,
  SrbStatus.SELECTION_TIMEOUT,
])

/** Judges an outcome. Only SUCCESS with GOOD is success; a status nobody knows is an error. */
export function judge(outcome: Outcome): Verdict {
  if (outcome.failure !== undefined) {
    const code = outcome.failure
    return verdict(code === 'removed' ? 'removed' : 'fail', code)
  }
  const code = outcome.srbStatus & SRB_STATUS_MASK
  const { scsiStatus } = outcome
  if (code === SrbStatus.SUCCESS && scsiStatus === ScsiStatus.GOOD) return verdict('good', 'io')
  if (NO_UNIT.has(code)) return verdict('removed', 'removed')
  const sense = senseOf(outcome)
  if (sense !== undefined) return judgeSense(sense)
  if (code === SrbStatus.DATA_OVERRUN && OVERRUN_IS_GOOD.has(outcome.cdb[0] ?? 0)) return verdict('good', 'io')
  if (code === SrbStatus.BUSY || scsiStatus === ScsiStatus.BUSY || scsiStatus === ScsiStatus.TASK_SET_FULL) {
    return verdict('wait', 'io')
  }
  if (scsiStatus === ScsiStatus.RESERVATION_CONFLICT) return verdict('fail', 'io')
  if (code === SrbStatus.TIMEOUT || code === SrbStatus.COMMAND_TIMEOUT) return verdict('retry', 'timeout')
  if (code === SrbStatus.INVALID_REQUEST || code === SrbStatus.BAD_FUNCTION) return verdict('fail', 'not-supported')
  return verdict('retry', 'io')
}

function judgeSense({ key, asc, ascq }: SenseData): Verdict {
  const make = (action: Verdict['action'], code: DeviceErrorCode): Verdict => ({ action, code, asc, ascq })
  switch (key) {
    case SenseKey.NO_SENSE:
    case SenseKey.RECOVERED_ERROR:
      return make('good', 'io')
    case SenseKey.UNIT_ATTENTION:
      return make('attention', 'io')
    case SenseKey.NOT_READY:
      if (asc === 0x3a) return make('fail', 'no-media')
      return asc === 0x04 ? make('wait', 'io') : make('retry', 'io')
    case SenseKey.ILLEGAL_REQUEST:
      if (asc === 0x21) return make('fail', 'out-of-range')
      return asc === 0x25 ? make('removed', 'removed') : make('fail', 'not-supported')
    case SenseKey.DATA_PROTECT:
      return make('fail', asc === 0x27 && ascq === 0x07 ? 'no-space' : 'read-only')
    default:
      return make('retry', 'io')
  }
}

function verdict(action: Verdict['action'], code: DeviceErrorCode): Verdict {
  return { action, code, asc: 0, ascq: 0 }
}

/** Sense counts only with CHECK CONDITION and the flag that says it is there; fixed and descriptor format. */
function senseOf({ srbStatus, scsiStatus, sense, senseLength }: Outcome): SenseData | undefined {
  const isThere = (srbStatus & SRB_STATUS_AUTOSENSE_VALID) !== 0 && scsiStatus === ScsiStatus.CHECK_CONDITION
  const at = (index: number): number => (index < senseLength ? (sense[index] ?? 0) : 0)
  const format = at(0) & 0x7f
  if (!isThere || senseLength < 3) return undefined
  if (format === 0x72 || format === 0x73) return { key: at(1) & 0xf, asc: at(2), ascq: at(3) }
  return { key: at(2) & 0xf, asc: at(12), ascq: at(13) }
}

/** The outcome in one line: `READ(10): medium error 11/00 (…)`. */
export function describeOutcome(outcome: Outcome): string {
  const command = describeOpcode(outcome.cdb[0] ?? 0)
  if (outcome.failure === 'removed') return `${command}: the device is gone`
  if (outcome.failure === 'timeout') return `${command}: the host did not answer in time`
  if (outcome.failure === 'protocol') return `${command}: the host's answer made no sense`
  const sense = senseOf(outcome)
  if (sense !== undefined) return `${command}: ${describeSense(sense.key, sense.asc, sense.ascq)}`
  return `${command}: SRB status ${describeSrbStatus(outcome.srbStatus)}, SCSI status ${describeScsiStatus(outcome.scsiStatus)}`
}

/** The error that a judged outcome is when it comes to that. */
export function outcomeError(outcome: Outcome, { code }: Verdict): DeviceError {
  return new DeviceError(code, describeOutcome(outcome))
}
