import { DeviceError } from '@bis/hyperv-types'
import type { BlockQueue } from './block-queue.ts'
import { BlockOperation, BlockRequest } from './block-request.ts'

const NOTHING = new Uint8Array(0)

/** The reads, writes and flushes of a disk whose callers wait for a promise. */
export class PromisedTransfers {
  readonly #name: string
  readonly #queue: BlockQueue
  readonly #idle: PromisedRequest[] = []

  constructor(name: string, queue: BlockQueue) {
    this.#name = name
    this.#queue = queue
  }

  read(offset: number, target: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return target.length === 0 ? Promise.resolve() : this.#transfer(BlockOperation.read, offset, target, false, signal)
  }

  write(offset: number, source: Uint8Array, durable: boolean, signal: AbortSignal | undefined): Promise<void> {
    return source.length === 0
      ? Promise.resolve()
      : this.#transfer(BlockOperation.write, offset, source, durable, signal)
  }

  flush(): Promise<void> {
    return this.#transfer(BlockOperation.flush, 0, NOTHING, false, undefined)
  }

  #transfer(
    operation: BlockOperation,
    offset: number,
    buffer: Uint8Array,
    durable: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(new DeviceError('aborted', `${this.#name}: given up before it began`, { cause: signal.reason }))
        return
      }
      const request = this.#idle.pop() ?? new PromisedRequest((done) => this.#idle.push(done))
      request.operation = operation
      request.offset = offset
      request.length = buffer.length
      request.buffer = buffer
      request.durable = durable
      request.resolve = resolve
      request.reject = reject
      if (signal !== undefined) this.#cancelWith(request, signal)
      this.#queue.submit(request)
    })
  }

  /** What the host has already is waited for: it may be writing into the buffer. */
  #cancelWith(request: PromisedRequest, signal: AbortSignal): void {
    const onAbort = (): void => {
      request.aborted = new DeviceError('aborted', `${this.#name}: given up`, { cause: signal.reason })
      if (this.#queue.cancel(request)) request.onDone(request)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    request.stopWatching = () => signal.removeEventListener('abort', onAbort)
  }
}

/** A block request that ends in a promise. */
class PromisedRequest extends BlockRequest {
  resolve: () => void = () => {}
  reject: (error: DeviceError) => void = () => {}
  aborted: DeviceError | undefined = undefined
  stopWatching: (() => void) | undefined = undefined

  constructor(recycle: (request: PromisedRequest) => void) {
    super(() => this.#end(recycle))
  }

  #end(recycle: (request: PromisedRequest) => void): void {
    const { resolve, reject } = this
    const error = this.aborted ?? this.error
    this.stopWatching?.()
    this.stopWatching = undefined
    this.aborted = undefined
    this.buffer = NOTHING
    recycle(this)
    if (error === undefined) resolve()
    else reject(error)
  }
}
