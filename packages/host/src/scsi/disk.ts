import type { SenseCode } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import type { Nexus } from './reservations.ts'

/** What the commands of a disk work on. */
export interface Disk {
  readonly backend: DiskBackend
  readonly inquiryVersion: number
  readonly serial: string | undefined
  readonly writeCache: boolean
  readonly unmap: boolean
  readonly maxTransferBytes: number
  /** Longest WRITE SAME in bytes. */
  readonly maxWriteSameBytes: number
  readonly nexus: Nexus | undefined
  /** The last sense data, for REQUEST SENSE. */
  readonly storedSense: Uint8Array
  readonly sectorSize: number
  /** Number of whole sectors now. */
  readonly sectorCount: number
  /** The oldest unit attention, and it is told; undefined when there is none. */
  takeAttention(): SenseCode | undefined
}
