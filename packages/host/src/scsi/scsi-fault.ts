import { BisError } from '@bis/hyperv-types'
import type { SenseCode } from '@bis/hyperv-types/scsi'
import { Sense } from '@bis/hyperv-types/scsi'

export type ScsiFaultCode = 'check-condition' | 'busy' | 'task-set-full'

/** A backend's failure that says itself how the target has to tell it. */
export class ScsiFault extends BisError<ScsiFaultCode> {
  override readonly name = 'ScsiFault'
  /** Told with code `check-condition`. */
  readonly sense: SenseCode

  constructor(code: ScsiFaultCode, message: string, sense: SenseCode = Sense.MEDIUM_ERROR) {
    super(code, message)
    this.sense = sense
  }
}

/** The sense that a backend's error becomes. */
export function senseOf(error: unknown, writing: boolean): SenseCode {
  const code = codeOf(error)
  switch (code) {
    case 'check-condition':
      return (error as ScsiFault).sense
    case 'out-of-range':
      return Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE
    case 'read-only':
    case 'EROFS':
      return Sense.WRITE_PROTECTED
    case 'no-space':
    case 'out-of-space':
    case 'ENOSPC':
      return Sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT
    case 'aborted':
      return Sense.ABORTED_COMMAND
    default:
      return writing ? Sense.PERIPHERAL_DEVICE_WRITE_FAULT : Sense.UNRECOVERED_READ_ERROR
  }
}

export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
