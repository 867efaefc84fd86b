import type { ImageFormat } from '../virtual-disk.ts'
import type { Finding } from './findings.ts'

export interface CheckReport {
  format: ImageFormat
  /** No error or warning is left. Leaks do no harm. */
  ok: boolean
  findings: Finding[]
  fileBytes: number
  /** Blocks of the disk, and those that have space in the file. */
  blocks: number
  allocatedBlocks: number
  /** File space that nothing uses. */
  leakedBytes: number
}

/** What a format's check counts. */
export type CheckCounts = Pick<CheckReport, 'blocks' | 'allocatedBlocks' | 'leakedBytes'>
