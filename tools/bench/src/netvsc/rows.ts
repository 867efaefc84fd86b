/** Frames guest → switch → second guest, all in one thread. */
export interface NetvscRow {
  readonly bench: 'frames' | 'large-send' | 'ports' | 'channels' | 'copy'
  readonly frameBytes: number
  /** Ports on the switch, and channels of each guest. */
  readonly ports: number
  readonly channels: number
  /** For each frame that was sent. */
  readonly nanoseconds: number
  readonly framesPerSecond: number
  readonly bitsPerSecond: number
  /** Growth of the used heap for each frame, without a collection forced; negative when one ran. */
  readonly heapBytesPerFrame: number
}

export interface NetvscBenchOptions {
  /** Milliseconds for each row. Default 1000. */
  readonly milliseconds?: number
  /** Default 1, 4, 16 and 64. */
  readonly ports?: readonly number[]
  /** Default 1, 4 and 16. */
  readonly channels?: readonly number[]
  onRow?(row: NetvscRow): void
}
