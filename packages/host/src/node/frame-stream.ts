import { unlink } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { DeframerState, StreamFrameHandler } from '../vswitch/stream-framing.ts'
import { StreamDeframer } from '../vswitch/stream-framing.ts'
import { SocketWriter } from './socket-writer.ts'

export interface FrameStreamHandlers {
  /**
   * A frame; the bytes may be used during the call only.
   * @returns false when it cannot be taken now: nothing more is read until {@link FrameStream.resume}, which offers it again
   */
  readonly onFrame: StreamFrameHandler
  /** Frames are about to be handed over, and {@link onBatchEnd} tells when what came in one piece has been. */
  onBatchBegin?(): void
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
  #writer: SocketWriter | undefined
  #deframer: StreamDeframer | undefined
  #stalled = false
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

  /** Sends a copy of a frame; one that nobody takes is dropped, as on a wire. @param tci tag control information, 0 for none */
  send(bytes: Uint8Array, offset: number, length: number, tci = 0): void {
    if (this.#writer?.frame(bytes, offset, length, tci) !== true) this.dropped++
  }

  /** Holds writes back until {@link flush}. */
  cork(): void {
    this.#writer?.cork()
  }

  flush(): void {
    this.#writer?.flush()
  }

  /** Goes on after a frame that was not taken. */
  resume(): void {
    if (!this.#stalled) return
    this.#stalled = false
    const { onBatchBegin, onBatchEnd } = this.#handlers
    onBatchBegin?.()
    const state = this.#deframer?.resume() ?? 'hungry'
    onBatchEnd?.()
    this.#settle(state)
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
    const { onFrame, onBatchBegin, onBatchEnd, onPeer } = this.#handlers
    const deframer = new StreamDeframer(onFrame)
    this.#deframer = deframer
    this.#socket = socket
    this.#writer = new SocketWriter(socket)
    socket.on('data', (chunk: Uint8Array) => {
      onBatchBegin?.()
      const state = deframer.push(chunk)
      onBatchEnd?.()
      this.#settle(state)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#socket = undefined
      this.#writer = undefined
      this.#deframer = undefined
      this.#stalled = false
      onPeer?.(false)
    })
    onPeer?.(true)
  }

  #settle(state: DeframerState): void {
    if (state === 'broken') this.#socket?.destroy()
    if (state === 'hungry') this.#socket?.resume()
    if (state !== 'stalled') return
    this.#stalled = true
    this.#socket?.pause()
  }
}
