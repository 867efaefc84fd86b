import type { Socket } from 'node:net'
import { connect } from 'node:net'

const OPTION_MAGIC = 0x49484156454f5054n

/** A small NBD client for tests that must know which writes were flushed before the server was killed. */
export class NbdClient {
  readonly #socket: Socket
  readonly #waiting = new Map<number, (error: number) => void>()
  #next = 1
  #buffer = Buffer.alloc(0)
  #onBytes: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      this.#onBytes?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const done of this.#waiting.values()) done(-1)
      this.#onBytes?.()
    })
  }

  static async connect(path: string): Promise<NbdClient> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const client = new NbdClient(socket)
    await client.#take(18)
    const hello = Buffer.alloc(4 + 16)
    hello.writeUInt32BE(3, 0)
    hello.writeBigUInt64BE(OPTION_MAGIC, 4)
    hello.writeUInt32BE(1, 12)
    socket.write(hello)
    await client.#take(10)
    client.#onBytes = () => client.#replies()
    return client
  }

  /** Resolves with the server's errno, or -1 when the connection ended. */
  write(offset: number, data: Uint8Array): Promise<number> {
    return this.#request(1, offset, data.length, data)
  }

  flush(): Promise<number> {
    return this.#request(3, 0, 0)
  }

  trim(offset: number, length: number): Promise<number> {
    return this.#request(4, offset, length)
  }

  writeZeroes(offset: number, length: number): Promise<number> {
    return this.#request(6, offset, length)
  }

  resize(sizeBytes: number): Promise<number> {
    return this.#request(8, sizeBytes, 0)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #request(type: number, offset: number, length: number, data?: Uint8Array): Promise<number> {
    if (this.#socket.destroyed) return Promise.resolve(-1)
    const cookie = this.#next++
    const header = Buffer.alloc(28)
    header.writeUInt32BE(0x25609513, 0)
    header.writeUInt16BE(type, 6)
    header.writeUInt32BE(cookie, 12)
    header.writeBigUInt64BE(BigInt(offset), 16)
    header.writeUInt32BE(length, 24)
    this.#socket.write(header)
    if (data !== undefined) this.#socket.write(data)
    return new Promise((resolve) => this.#waiting.set(cookie, resolve))
  }

  #replies(): void {
    while (this.#buffer.length >= 16) {
      const error = this.#buffer.readUInt32BE(4)
      const cookie = this.#buffer.readUInt32BE(12)
      this.#buffer = this.#buffer.subarray(16)
      this.#waiting.get(cookie)?.(error)
      this.#waiting.delete(cookie)
    }
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) {
      if (this.#socket.destroyed) throw new Error('the server closed the connection')
      await new Promise<void>((resolve) => {
        this.#onBytes = resolve
      })
    }
    const bytes = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return bytes
  }
}
