import type {
  BlockDevice,
  BlockDeviceEvent,
  BlockGeometry,
  PageAllocator,
  PageRun,
  WriteOptions,
} from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'

export interface DiskLimits {
  /** Requests come as one mapped buffer, never as pages. */
  readonly mapped: boolean
  /** Longest request in bytes. */
  readonly maxBytes: number
}

/** Bounce buffers of one disk in use at once; who needs another waits. */
const MAX_BUFFERS = 8

/**
 * A disk as an older kernel gives it to the rest of the guest: requests are cut to that kernel's longest, and where the
 * kernel knows no unmapped pages they go through bounce buffers of whole, contiguous pages, which is what a driver of
 * head takes in place.
 */
export class BouncedDisk implements BlockDevice {
  readonly device: BlockDevice
  readonly #pages: PageAllocator
  readonly #limits: DiskLimits
  readonly #waiting: (() => void)[] = []
  #buffers = 0
  /** Requests that went through a bounce buffer. */
  bounced = 0

  constructor(device: BlockDevice, pages: PageAllocator, limits: DiskLimits) {
    this.device = device
    this.#pages = pages
    this.#limits = limits
  }

  get name(): string {
    return this.device.name
  }

  get description(): string {
    return this.device.description
  }

  get geometry(): BlockGeometry {
    const { geometry } = this.device
    return { ...geometry, maxTransferBytes: Math.min(geometry.maxTransferBytes, this.#limits.maxBytes) }
  }

  async read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#each(target, async (part, at) => {
      if (!this.#limits.mapped) return this.device.read(offset + at, part, signal)
      await this.#bounce(part.length, async (buffer) => {
        await this.device.read(offset + at, buffer, signal)
        part.set(buffer)
      })
    })
  }

  async write(offset: number, source: Uint8Array, options?: WriteOptions): Promise<void> {
    await this.#each(source, async (part, at) => {
      if (!this.#limits.mapped) return this.device.write(offset + at, part, options)
      await this.#bounce(part.length, (buffer) => {
        buffer.set(part)
        return this.device.write(offset + at, buffer, options)
      })
    })
  }

  flush(): Promise<void> {
    return this.device.flush()
  }

  trim(offset: number, length: number): Promise<void> {
    return this.device.trim(offset, length)
  }

  onEvent(listener: (event: BlockDeviceEvent) => void): () => void {
    return this.device.onEvent(listener)
  }

  /** Parts one after another, as physio does; the first that fails ends it. An empty request goes on as it is. */
  async #each(bytes: Uint8Array, move: (part: Uint8Array, at: number) => Promise<void>): Promise<void> {
    const { maxBytes } = this.#limits
    if (bytes.length === 0) return move(bytes, 0)
    for (let at = 0; at < bytes.length; at += maxBytes) await move(bytes.subarray(at, at + maxBytes), at)
  }

  async #bounce(length: number, work: (buffer: Uint8Array) => Promise<void>): Promise<void> {
    if (length === 0) return work(new Uint8Array(0))
    while (this.#buffers >= MAX_BUFFERS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#buffers++
    let run: PageRun | undefined
    try {
      run = this.#pages.allocate(Math.ceil(length / PAGE_SIZE))
      this.bounced++
      await work(run.bytes.subarray(0, length))
    } finally {
      // A request that ended, however it did, has left its buffer: an aborted one keeps the driver's own.
      if (run !== undefined) this.#pages.free(run)
      this.#buffers--
      this.#waiting.shift()?.()
    }
  }
}
