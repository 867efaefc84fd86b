import { WireError } from '../errors.ts'
import type { Clock } from '../interfaces/clock.ts'
import { decodeError, encodeError } from './error-frame.ts'
import type { FrameLink, LinkEnd, LinkHandlers } from './frame-link.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameType, ResultCode } from './frames.ts'

/** What a link needs of a stream: a Node.js socket has it. */
export interface ByteStream {
  write(bytes: Uint8Array): boolean
  end(): unknown
  destroy(): unknown
  pause(): unknown
  resume(): unknown
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'drain' | 'close' | 'end', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Bytes that may wait to be written before `send` says no. */
const HIGH_WATER = 1024 * 1024
const FIRST_BUFFER = 4096
/** Bytes read ahead of whoever takes them: while there is room, the end of the stream is seen at once. */
const READ_AHEAD = 1024 * 1024
/** How long a peer may take to read our ERROR before the stream is cut, in milliseconds. */
const FAREWELL_MS = 1000

/** Frames over a byte stream. What is sent within one task is written at once. */
export class StreamLink implements FrameLink {
  readonly #stream: ByteStream
  readonly #clock: Clock
  readonly #reader = new FrameReader()
  #handlers: LinkHandlers | undefined
  #output = new Uint8Array(FIRST_BUFFER)
  #outputLength = 0
  #flushScheduled = false
  /** The stream has asked us to wait for its drain event. */
  #blocked = false
  /** `send` has answered false. */
  #refused = false
  #end: LinkEnd | undefined
  readonly #flushTask = (): void => this.#flush()

  constructor(stream: ByteStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    stream.pause()
    stream.on('data', (chunk) => {
      if (this.#end !== undefined) return
      this.#reader.push(chunk)
      this.#drain()
    })
    stream.on('drain', () => {
      this.#blocked = false
      this.#flush()
    })
    stream.on('end', () => this.#finish(this.#lastWords() ?? { reason: 'the other side closed the connection' }))
    stream.on('error', (error) => this.#finish({ reason: error.message }))
    stream.on('close', () => this.#finish({ reason: 'the connection is closed' }))
  }

  get waiting(): number {
    return this.#reader.buffered
  }

  start(handlers: LinkHandlers): void {
    this.#handlers = handlers
    const end = this.#end
    this.#clock.soon(() => (end === undefined ? this.resume() : handlers.onEnd(end)))
  }

  send(frame: Uint8Array): boolean {
    if (this.#end !== undefined) return true
    if (this.#outputLength + frame.length > HIGH_WATER) {
      this.#refused = true
      return false
    }
    if (this.#outputLength + frame.length > this.#output.length) this.#grow(frame.length)
    this.#output.set(frame, this.#outputLength)
    this.#outputLength += frame.length
    if (!this.#flushScheduled && !this.#blocked) {
      this.#flushScheduled = true
      this.#clock.soon(this.#flushTask)
    }
    return true
  }

  resume(): void {
    if (this.#end !== undefined) return
    this.#stream.resume()
    this.#drain()
  }

  close(end: LinkEnd): void {
    if (this.#end !== undefined) return
    if (end.code !== undefined) this.send(encodeError(end.code, end.reason))
    this.#blocked = false
    this.#flush()
    this.#finish(end)
  }

  #drain(): void {
    const handlers = this.#handlers
    if (handlers === undefined) {
      this.#stream.pause()
      return
    }
    try {
      this.#reader.drain((frame) => {
        if (this.#end !== undefined) return false
        if (frame.type === FrameType.ERROR) {
          this.#finish(decodeError(frame))
          return false
        }
        if (handlers !== this.#handlers) return false
        const taken = handlers.onFrame(frame)
        if (!taken && this.#reader.buffered > READ_AHEAD) this.#stream.pause()
        return taken
      })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The ERROR behind what was not taken. */
  #lastWords(): LinkEnd | undefined {
    let error: LinkEnd | undefined
    try {
      this.#reader.drain((frame) => {
        if (frame.type === FrameType.ERROR) error ??= decodeError(frame)
        return true
      })
    } catch {
      // What cannot be read says nothing.
    }
    return error
  }

  #flush(): void {
    this.#flushScheduled = false
    if (this.#end !== undefined || this.#blocked || this.#outputLength === 0) return
    // The stream keeps what it is given until it is written, so it gets the buffer and we take another.
    const bytes = this.#output.subarray(0, this.#outputLength)
    this.#output = new Uint8Array(FIRST_BUFFER)
    this.#outputLength = 0
    this.#blocked = !this.#stream.write(bytes)
    if (!this.#refused) return
    this.#refused = false
    this.#handlers?.onWritable()
  }

  #grow(more: number): void {
    const output = new Uint8Array(2 * (this.#outputLength + more))
    output.set(this.#output.subarray(0, this.#outputLength))
    this.#output = output
  }

  /** A frame broke the protocol, or whoever takes them failed; of that the peer learns nothing. */
  #fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    if (error instanceof WireError) this.close({ reason, code: ResultCode.BAD_FRAME })
    else this.close({ reason: `failed at a frame: ${reason}` })
  }

  #finish(end: LinkEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#stream.end()
    this.#stream.resume()
    const timer = this.#clock.after(FAREWELL_MS, () => this.#stream.destroy())
    this.#stream.on('close', () => timer.cancel())
    this.#handlers?.onEnd(end)
  }
}
