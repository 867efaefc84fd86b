import type { BlockDevice } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { describeError } from '../cli-error.ts'
import { NbdErrno } from './protocol.ts'

/** What a server exports: any range of bytes; the disk below works in blocks. */
export class NbdExport {
  readonly name: string
  readonly description: string
  readonly #disk: BlockDevice
  /** Writes that do not fill their blocks read, change and write back: one after the other. */
  #partial: Promise<unknown> = Promise.resolve()

  readonly #print: (line: string) => void
  /** Kinds of failure that were told; once is enough. */
  readonly #told = new Set<string>()

  /** @param print gets a line when the disk fails a request, once for each kind of failure */
  constructor(disk: BlockDevice, print: (line: string) => void = () => {}) {
    this.#disk = disk
    this.#print = print
    this.name = disk.name
    this.description = disk.description
  }

  get size(): number {
    const { blockSize, blockCount } = this.#disk.geometry
    return blockSize * blockCount
  }

  get blockSize(): number {
    return this.#disk.geometry.blockSize
  }

  get readOnly(): boolean {
    return this.#disk.geometry.readOnly
  }

  get canTrim(): boolean {
    return this.#disk.geometry.trim !== undefined
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { start, length, whole } = this.#cover(offset, target.length)
    if (whole) return this.#disk.read(offset, target)
    const blocks = new Uint8Array(length)
    await this.#disk.read(start, blocks)
    target.set(blocks.subarray(offset - start, offset - start + target.length))
  }

  async write(offset: number, source: Uint8Array, durable: boolean): Promise<void> {
    const { start, length, whole } = this.#cover(offset, source.length)
    if (whole) return this.#disk.write(offset, source, { durable })
    const change = this.#partial.then(async () => {
      const blocks = new Uint8Array(length)
      await this.#disk.read(start, blocks)
      blocks.set(source, offset - start)
      await this.#disk.write(start, blocks, { durable })
    })
    this.#partial = change.catch(() => {})
    return change
  }

  flush(): Promise<void> {
    return this.#disk.flush()
  }

  /** Trims the blocks that lie wholly inside the range. */
  async trim(offset: number, length: number): Promise<void> {
    const { blockSize } = this
    const start = Math.ceil(offset / blockSize) * blockSize
    const end = Math.floor((offset + length) / blockSize) * blockSize
    if (end > start) await this.#disk.trim(start, end - start)
  }

  async writeZeroes(offset: number, length: number, durable: boolean): Promise<void> {
    const piece = new Uint8Array(Math.min(length, 1024 * 1024))
    for (let done = 0; done < length; done += piece.length) {
      await this.write(offset + done, piece.subarray(0, Math.min(piece.length, length - done)), durable)
    }
  }

  /** A request that the client was told to have failed. */
  failed(what: string, error: unknown): void {
    const code = error instanceof DeviceError ? error.code : 'io'
    if (this.#told.has(code)) return
    this.#told.add(code)
    const reason = code === 'no-space' ? 'no space left where the image is' : describeError(error)
    this.#print(`${this.name}: ${what} failed: ${reason}`)
  }

  #cover(offset: number, byteLength: number): { start: number; length: number; whole: boolean } {
    const { blockSize } = this
    const start = Math.floor(offset / blockSize) * blockSize
    const end = Math.ceil((offset + byteLength) / blockSize) * blockSize
    return { start, length: end - start, whole: start === offset && end - start === byteLength }
  }
}

/** The errno a client gets for a failure of the disk. */
export function errnoOf(error: unknown): number {
  if (!(error instanceof DeviceError)) return NbdErrno.io
  switch (error.code) {
    case 'read-only':
      return NbdErrno.perm
    case 'out-of-range':
    case 'invalid-argument':
    case 'not-supported':
      return NbdErrno.inval
    case 'no-space':
      return NbdErrno.nospc
    case 'removed':
    case 'aborted':
      return NbdErrno.shutdown
    default:
      return NbdErrno.io
  }
}
