/**
 * What holds a disk's data. An open image of `@bis/vhdx` is one. Offsets and lengths are bytes, whole logical sectors;
 * the backend itself refuses what lies beyond its end at the moment it works on it, so a resize can never be raced.
 *
 * Every method answers undefined when it is done already, or a promise; it throws or rejects with an error whose `code`
 * tells what went wrong (`out-of-range`, `read-only`, `no-space` or `out-of-space`, `aborted`; anything else is a medium error).
 */
export interface DiskBackend {
  /** May change while the disk is in use. */
  readonly sizeBytes: number
  readonly logicalSectorSize: number
  readonly physicalSectorSize: number
  /** Unit in which trimming gives space back; may change (a checkpoint brings a new block size). */
  readonly blockSize: number
  /** 16 bytes that identify the disk wherever it is attached; zeros when it has no identity of its own. */
  readonly diskId: Uint8Array
  readonly readOnly: boolean
  read(offset: number, target: Uint8Array): Promise<void> | undefined
  /** `source` does not change until the answer. */
  write(offset: number, source: Uint8Array): Promise<void> | undefined
  flush(): Promise<void> | undefined
  trim(offset: number, length: number): Promise<void> | undefined
  /** Without it, zeros are written. */
  writeZeroes?(offset: number, length: number): Promise<void> | undefined
}
