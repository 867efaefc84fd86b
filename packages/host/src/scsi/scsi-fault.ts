import { BisError } from '@bis/hyperv-types'
import { Sense } from './codes.ts'

export type ScsiFaultCode = 'check-condition' | 'busy' | 'task-set-full'

/** A backend's failure that says itself how the target has to tell it. */
export class ScsiFault extends BisError<ScsiFaultCode> {
  override readonly name = 'ScsiFault'
  /** `key << 16 | asc << 8 | ascq`; with code `check-condition`. */
  readonly sense: number

  constructor(code: ScsiFaultCode, message: string, sense: number = Sense.unspecifiedMediumError) {
    super(code, message)
    this.sense = sense
  }
}

/** The sense that a backend's error becomes. */
export function senseOf(error: unknown, writing: boolean): number {
  const code = codeOf(error)
  switch (code) {
    case 'check-condition':
      return (error as ScsiFault).sense
    case 'out-of-range':
      return Sense.lbaOutOfRange
    case 'read-only':
    case 'EROFS':
      return Sense.writeProtected
    case 'no-space':
    case 'ENOSPC':
      return Sense.spaceAllocationFailed
    case 'aborted':
      return Sense.aborted
    default:
      return writing ? Sense.peripheralWriteFault : Sense.unrecoveredReadError
  }
}

export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
