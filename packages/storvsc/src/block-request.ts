import type { DeviceError } from '@bis/hyperv-types'

export const BlockOperation = { read: 0, write: 1, flush: 2 } as const
export type BlockOperation = (typeof BlockOperation)[keyof typeof BlockOperation]

/**
 * One read, write or flush of a disk, for callers that count in microseconds: fill it in, submit it, and use it again when
 * `onDone` has been called. Nothing is allocated on the way.
 */
export class BlockRequest {
  operation: BlockOperation = BlockOperation.read
  /** Bytes from the beginning of the disk, a multiple of its block size. */
  offset = 0
  /** Bytes: a multiple of the block size, at most the buffer's. */
  length = 0
  /** A window on guest memory is used in place; anything else goes through a bounce buffer. */
  buffer: Uint8Array = NO_BUFFER
  /** A write that is on stable storage when it ends. */
  durable = false
  /** Processor that issues it: chooses the channel. */
  cpu = 0
  /** Called once for each submission, never inside it; `error` is the outcome. May submit this or another request. */
  onDone: (request: BlockRequest) => void
  error: DeviceError | undefined = undefined
  /** For the caller to keep what belongs to the request. */
  context: unknown = undefined

  /** The disk's own, while it has the request. */
  gpa = -1
  /** Where a buffer lies never changes: it is looked up once for each. */
  located: Uint8Array | undefined = undefined
  /** Bytes whose requests have gone out, now or before. */
  started = 0
  /** Requests that are out. */
  pieces = 0
  /** The flush that it takes has gone out. */
  flushed = false

  constructor(onDone: (request: BlockRequest) => void) {
    this.onDone = onDone
  }

  /** The disk's own: nothing of it is started yet. */
  begin(): void {
    this.error = undefined
    this.started = 0
    this.pieces = 0
    this.flushed = false
  }

  /** The disk's own: it has failed, with the first error; what is not started is not worth starting. */
  giveUp(error: DeviceError): void {
    this.error ??= error
    this.started = this.length
    this.flushed = true
  }
}

const NO_BUFFER = new Uint8Array(0)
