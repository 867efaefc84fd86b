import type { CharacterFile } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

export interface FileOwner {
  /** Whether reading makes sense now; default always. */
  mayRead?(): boolean
  /** @throws DeviceError for a message that the device does not take */
  written(message: Uint8Array): void
  closed(): void
}

interface Reader {
  resolve(message: Uint8Array): void
  reject(error: DeviceError): void
}

/** A daemon's open device: a queue of messages to read, and a place to write to. */
export class DeviceFile implements CharacterFile {
  readonly #owner: FileOwner
  readonly #listeners = new Set<() => void>()
  #queue: Uint8Array[] = []
  #readers: Reader[] = []
  #end: 'closed' | 'removed' | undefined

  constructor(owner: FileOwner) {
    this.#owner = owner
  }

  get readable(): boolean {
    return this.#queue.length > 0 || this.#end !== undefined
  }

  async read(signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#end !== undefined) throw this.#gone()
    if (this.#owner.mayRead?.() === false)
      throw new DeviceError('invalid-argument', 'a daemon registers before it reads')
    if (signal?.aborted === true) throw new DeviceError('aborted', 'reading was given up')
    const message = this.#queue.shift()
    if (message !== undefined) return message
    return new Promise((resolve, reject) => {
      const reader: Reader = {
        resolve: (value) => {
          signal?.removeEventListener('abort', abort)
          resolve(value)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', abort)
          reject(error)
        },
      }
      const abort = (): void => {
        this.#readers = this.#readers.filter((other) => other !== reader)
        reject(new DeviceError('aborted', 'reading was given up'))
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#readers.push(reader)
    })
  }

  write(message: Uint8Array): void {
    if (this.#end !== undefined) throw this.#gone()
    this.#owner.written(message)
  }

  onReadable(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    if (this.#end === 'closed') return
    const removed = this.#end === 'removed'
    this.#stop('closed')
    if (!removed) this.#owner.closed()
  }

  /** Gives the daemon a message. */
  put(message: Uint8Array): void {
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve(message)
      return
    }
    this.#queue.push(message)
    for (const listener of [...this.#listeners]) listener()
  }

  /** Takes the last message back. @returns whether it was still unread */
  takeBack(): boolean {
    return this.#queue.pop() !== undefined
  }

  /** The device goes away. */
  remove(): void {
    if (this.#end !== undefined) return
    this.#stop('removed')
    for (const listener of [...this.#listeners]) listener()
  }

  #stop(end: 'closed' | 'removed'): void {
    this.#end = end
    this.#queue = []
    const readers = this.#readers
    this.#readers = []
    for (const reader of readers) reader.reject(this.#gone())
  }

  #gone(): DeviceError {
    return new DeviceError('removed', this.#end === 'closed' ? 'the file is closed' : 'the device is gone')
  }
}
