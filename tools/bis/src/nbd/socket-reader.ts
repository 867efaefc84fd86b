import type { Socket } from 'node:net'

/** Reads exact numbers of bytes from a socket. */
export class SocketReader {
  readonly #socket: Socket
  #ended = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    const wake = (): void => this.#wake?.()
    const end = (): void => this.stop()
    socket.on('readable', wake)
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  /** Ends the wait under way and every later one, as if the client had left. */
  stop(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** @returns undefined when the connection ended first. */
  async read(length: number): Promise<Buffer | undefined> {
    if (length === 0) return Buffer.alloc(0)
    for (;;) {
      if (this.#ended && this.#socket.readableLength < length) return undefined
      const chunk: Buffer | null = this.#socket.read(length)
      if (chunk !== null) return chunk.length === length ? chunk : undefined
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
