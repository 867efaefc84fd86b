import type { Clock, Timer } from '@bis/hyperv-types'
import { WireError } from '@bis/hyperv-types'
import type { FrameLink, LinkEnd, LinkHandlers } from '@bis/hyperv-types/vmbus-user'
import { decodeError, encodeError, FrameReader, FrameType, ResultCode } from '@bis/hyperv-types/vmbus-user'
import type { FrameRing } from './frame-ring.ts'

/** Bytes taken from the ring before others get a turn. */
const CHUNK_BYTES = 65_536
/** A timer this far away only keeps a thread alive that has nothing but this link; in milliseconds. */
const KEEP_ALIVE_MS = 1_000_000_000

/** Frames over two rings in shared memory. Idle, it costs nothing: each side waits for its bell. */
export class SharedLink implements FrameLink {
  readonly #incoming: FrameRing
  readonly #outgoing: FrameRing
  readonly #clock: Clock
  readonly #reader = new FrameReader()
  readonly #chunk = new Uint8Array(CHUNK_BYTES)
  readonly #keepAlive: Timer | undefined
  #handlers: LinkHandlers | undefined
  #end: LinkEnd | undefined
  /** The bell will start a drain. */
  #armed = false
  /** A task that drains is on its way. */
  #scheduled = false
  /** The last frame was not taken. */
  #paused = true
  #awaitingSpace = false
  readonly #bellTask = (): void => {
    this.#armed = false
    this.#drain()
  }
  readonly #drainTask = (): void => {
    this.#scheduled = false
    this.#drain()
  }
  readonly #spaceTask = (): void => {
    this.#awaitingSpace = false
    if (this.#end === undefined) this.#handlers?.onWritable()
  }

  constructor(incoming: FrameRing, outgoing: FrameRing, clock: Clock, keepAlive: boolean) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#clock = clock
    this.#keepAlive = keepAlive ? clock.after(KEEP_ALIVE_MS, () => {}) : undefined
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
    if (this.#end !== undefined || this.#outgoing.write(frame)) return true
    this.#awaitSpace(frame.length)
    return false
  }

  resume(): void {
    this.#paused = false
    this.#drain()
  }

  close(end: LinkEnd): void {
    if (this.#end !== undefined) return
    // No room for the reason is no reason to wait: the closed ring says enough.
    if (end.code !== undefined) this.#outgoing.write(encodeError(end.code, end.reason))
    this.#finish(end)
  }

  #awaitSpace(length: number): void {
    if (this.#awaitingSpace) return
    this.#awaitingSpace = true
    const { spaceBell } = this.#outgoing
    if (!spaceBell.wait(() => this.#outgoing.free >= length, this.#spaceTask)) this.#clock.soon(this.#spaceTask)
  }

  #drain(): void {
    if (this.#end !== undefined || this.#handlers === undefined) return
    if (!this.#paused) this.#deliver()
    if (this.#end !== undefined) return
    if (!this.#paused) this.#read()
    if (this.#end !== undefined) return
    if (this.#incoming.closed && (this.#paused || this.#incoming.used === 0)) {
      this.#finish({ reason: 'the other thread closed the connection' })
    } else this.#rest()
  }

  #read(): void {
    const length = this.#incoming.read(this.#chunk)
    if (length === 0) return
    this.#reader.push(this.#chunk.subarray(0, length))
    this.#deliver()
  }

  /** Until there is something to take, or the other side has gone. */
  #rest(): void {
    const isDue = (): boolean => this.#incoming.closed || (!this.#paused && this.#incoming.used > 0)
    this.#armed ||= this.#incoming.dataBell.wait(isDue, this.#bellTask)
    if (this.#scheduled || (this.#armed && !isDue())) return
    this.#scheduled = true
    this.#clock.later(this.#drainTask)
  }

  #deliver(): void {
    const handlers = this.#handlers
    try {
      this.#reader.drain((frame) => {
        if (this.#end !== undefined || handlers === undefined || handlers !== this.#handlers) return false
        if (frame.type === FrameType.ERROR) {
          this.#finish(decodeError(frame))
          return false
        }
        if (handlers.onFrame(frame)) return true
        this.#paused = true
        return false
      })
    } catch (error) {
      this.#fail(error)
    }
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
    this.#keepAlive?.cancel()
    this.#outgoing.close()
    this.#handlers?.onEnd(end)
  }
}
