import type { SenseCode } from '@bis/hyperv-types/scsi'
import type { ScsiRequest } from './request.ts'

/** What answers the commands for one LUN. */
export interface LogicalUnit {
  /**
   * Does a command and leaves the outcome in the request.
   * @returns undefined when it is done, or a promise that resolves, and never rejects, when it is.
   */
  execute(request: ScsiRequest): Promise<void> | undefined
  /** Tells the initiator with the next command that may carry it. */
  raiseAttention(sense: SenseCode): void
  /** Calls the listener when the guest should look at its disks and drives again. */
  onChange?(listener: () => void): void
}

/** A disk or drive is at one address of one controller. */
export interface UnitAddress {
  readonly path: number
  readonly target: number
  readonly lun: number
}
