import type { BlockDevice } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { describeError } from '../cli-error.ts'
import { NbdErrno } from './protocol.ts'

export interface NbdExportOptions {
  /** Gets a line when the disk fails a request, once for each kind of failure. */
  readonly print?: (line: string) => void
  /** Changes the size of the disk; resolves when the disk has it. Without it clients cannot ask for that. */
  readonly resize?: (sizeBytes: number) => Promise<void>
}

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

  readonly #resize: ((sizeBytes: number) => Promise<void>) | undefined
  /** Sizes change one after another. */
  #resizing: Promise<unknown> = Promise.resolve()

  constructor(disk: BlockDevice, { print = () => {}, resize }: NbdExportOptions = {}) {
    this.#disk = disk
    this.#print = print
    this.#resize = resize
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

  get canResize(): boolean {
    return this.#resize !== undefined && !this.readOnly
  }

  async resize(sizeBytes: number): Promise<void> {
    const { name, blockSize } = this
    const change = this.#resize
    if (change === undefined) throw new DeviceError('not-supported', `${name}: its size cannot be changed`)
    if (!(sizeBytes > 0) || sizeBytes % blockSize !== 0) {
      throw new DeviceError('invalid-argument', `${name}: ${sizeBytes} bytes are not whole blocks of ${blockSize}`)
    }
    const turn = this.#resizing.then(() => change(sizeBytes))
    this.#resizing = turn.catch(() => {})
    return turn
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

  /** @param hole the space may be given back */
  async writeZeroes(offset: number, length: number, durable: boolean, hole: boolean): Promise<void> {
    const { blockSize } = this
    const start = Math.ceil(offset / blockSize) * blockSize
    const end = Math.floor((offset + length) / blockSize) * blockSize
    if (!hole || this.#disk.writeZeroes === undefined || end <= start) {
      return this.#writeOutZeroes(offset, length, durable)
    }
    if (start > offset) await this.#writeOutZeroes(offset, start - offset, durable)
    await this.#disk.writeZeroes(start, end - start, { durable })
    if (offset + length > end) await this.#writeOutZeroes(end, offset + length - end, durable)
  }

  async #writeOutZeroes(offset: number, length: number, durable: boolean): Promise<void> {
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
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'read-only':
      return NbdErrno.perm
    case 'out-of-range':
    case 'invalid-argument':
    case 'not-supported':
    case 'invalid-option':
    case 'unsupported':
      return NbdErrno.inval
    case 'no-space':
    case 'out-of-space':
      return NbdErrno.nospc
    case 'removed':
    case 'aborted':
      return NbdErrno.shutdown
    default:
      return NbdErrno.io
  }
}
