import { unlink } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { frameForStream, StreamDeframer } from '../vswitch/stream-framing.ts'

/** Bytes that may wait for a peer that reads slowly; more frames are dropped, as a wire does. */
const MOST_WAITING = 16 * 2 ** 20

export interface FrameStreamHandlers {
  /** A frame; the bytes may be used during the call only. */
  onFrame(bytes: Uint8Array, offset: number, length: number): void
  /** What came in one piece has been handed over. */
  onBatchEnd?(): void
  /** A peer is there, or no longer. */
  onPeer?(present: boolean): void
}

/**
 * Ethernet frames over a UNIX-domain socket in QEMU's framing (`-netdev stream`), as client or as server of one peer at a
 * time. A peer that sends something else is thrown out.
 */
export class FrameStream implements AsyncDisposable {
  readonly #handlers: FrameStreamHandlers
  #socket: Socket | undefined
  #server: Server | undefined
  readonly path: string
  /** Frames dropped because nobody took them. */
  dropped = 0

  private constructor(path: string, handlers: FrameStreamHandlers) {
    this.path = path
    this.#handlers = handlers
  }

  /** Connects to a socket that somebody listens at. */
  static connect(path: string, handlers: FrameStreamHandlers): Promise<FrameStream> {
    const stream = new FrameStream(path, handlers)
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        stream.#adopt(socket)
        resolve(stream)
      })
    })
  }

  /** Listens at a socket of its own, which must not exist. */
  static listen(path: string, handlers: FrameStreamHandlers): Promise<FrameStream> {
    const stream = new FrameStream(path, handlers)
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        if (stream.#socket === undefined) stream.#adopt(socket)
        else socket.destroy()
      })
      stream.#server = server
      server.once('error', reject)
      server.listen(path, () => resolve(stream))
    })
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  /** Sends a copy of a frame; one that nobody takes is dropped. @param tci tag control information, 0 for none */
  send(bytes: Uint8Array, offset: number, length: number, tci = 0): void {
    const socket = this.#socket
    if (socket === undefined || socket.writableLength > MOST_WAITING) {
      this.dropped++
      return
    }
    socket.write(frameForStream(bytes, offset, length, tci))
  }

  /** Holds writes back until {@link flush}. */
  cork(): void {
    this.#socket?.cork()
  }

  flush(): void {
    this.#socket?.uncork()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#socket?.destroy()
    if (server === undefined) return
    await new Promise((resolve) => server.close(resolve))
    await unlink(this.path).catch(() => {})
  }

  #adopt(socket: Socket): void {
    const { onFrame, onBatchEnd, onPeer } = this.#handlers
    const deframer = new StreamDeframer((bytes, offset, length) => onFrame(bytes, offset, length))
    this.#socket = socket
    socket.on('data', (chunk: Uint8Array) => {
      if (!deframer.push(chunk)) socket.destroy()
      onBatchEnd?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#socket = undefined
      onPeer?.(false)
    })
    onPeer?.(true)
  }
}
