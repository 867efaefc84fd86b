/** Size and shape of a disk. */
export interface BlockGeometry {
  /** Logical block size in bytes: 512 or 4096 (2048 on optical media). */
  readonly blockSize: number
  /** Physical block size in bytes. */
  readonly physicalBlockSize: number
  /** Number of logical blocks. */
  readonly blockCount: number
  readonly readOnly: boolean
  /** Trimming is possible, in multiples of `trimGranularity` blocks. */
  readonly trim?: { readonly granularity: number; readonly maxBlocks: number; readonly maxRanges: number }
  /** Longest single transfer in bytes; longer requests are split by the device itself. */
  readonly maxTransferBytes: number
}

export type BlockDeviceEvent =
  | { readonly type: 'resized'; readonly geometry: BlockGeometry }
  | { readonly type: 'media-changed' }
  | { readonly type: 'removed' }

export interface WriteOptions {
  /** Do not complete before the data is on stable storage (FUA). */
  readonly durable?: boolean
  readonly signal?: AbortSignal
}

/**
 * A disk of the guest (`da0`, `cd0`). Offsets and lengths are bytes, multiples of the block size. Buffers may lie in
 * guest memory, which saves a copy, or anywhere. Requests may be in flight side by side; their order is free.
 * Every method rejects with a DeviceError.
 */
export interface BlockDevice {
  /** `da0`, `cd0`, … */
  readonly name: string
  /** As INQUIRY tells it: vendor, product, revision. */
  readonly description: string
  readonly geometry: BlockGeometry
  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>
  write(offset: number, source: Uint8Array, options?: WriteOptions): Promise<void>
  /** Resolves when everything acknowledged before is on stable storage. */
  flush(): Promise<void>
  /** Tells the disk that a range is not needed; what it reads afterwards is the disk's choice. */
  trim(offset: number, length: number): Promise<void>
  /**
   * Makes a range read as zeros, without sending them where the disk can do it by itself; it may give the space back.
   * A device without the method is written zeros to.
   */
  writeZeroes?(offset: number, length: number, options?: WriteOptions): Promise<void>
  /** Calls the listener for every event; returns how to stop. */
  onEvent(listener: (event: BlockDeviceEvent) => void): () => void
}
