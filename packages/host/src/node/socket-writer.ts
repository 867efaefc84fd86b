import type { Socket } from 'node:net'
import { STREAM_OVERHEAD, writeStreamFrame } from '../vswitch/stream-framing.ts'

/** Room for some large frames, so that a burst of small ones is one system call. */
const BUFFER_BYTES = 2 ** 18
/** Bytes that may wait for a peer that reads slowly: more than two TCP windows of Linux. */
const MOST_WAITING = 16 * 2 ** 20
const MOST_BUFFERS = MOST_WAITING / BUFFER_BYTES

/**
 * Collects frames in buffers and writes them: a burst together, and together too what comes while the socket is busy.
 * Buffers are used again.
 */
export class SocketWriter {
  readonly #socket: Socket
  readonly #free: Uint8Array[] = []
  #buffers = 1
  #buffer: Uint8Array = new Uint8Array(BUFFER_BYTES)
  #used = 0
  #writing = 0
  #corked = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** @returns false when the peer is too far behind */
  frame(bytes: Uint8Array, offset: number, length: number, tci: number): boolean {
    if (this.#used + STREAM_OVERHEAD + length > BUFFER_BYTES && !this.#next()) return false
    this.#used = writeStreamFrame(this.#buffer, this.#used, bytes, offset, length, tci)
    this.#write()
    return true
  }

  cork(): void {
    this.#corked = true
  }

  flush(): void {
    this.#corked = false
    this.#write()
  }

  #write(): void {
    if (!this.#corked && this.#writing === 0 && this.#used > 0) this.#next()
  }

  /** Hands the buffer to the socket and goes on in another. */
  #next(): boolean {
    const next = this.#free.pop() ?? this.#another()
    if (next === undefined) return false
    const full = this.#buffer
    this.#writing++
    this.#socket.write(full.subarray(0, this.#used), () => {
      this.#writing--
      this.#free.push(full)
      this.#write()
    })
    this.#buffer = next
    this.#used = 0
    return true
  }

  #another(): Uint8Array | undefined {
    if (this.#buffers === MOST_BUFFERS) return undefined
    this.#buffers++
    return new Uint8Array(BUFFER_BYTES)
  }
}
