import type { BlockDevice, BlockDeviceEvent, BlockGeometry, Logger, WriteOptions } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { ScsiOpcode } from '@bis/hyperv-types/scsi'
import type { ResetKind, StorvscAdapter } from './adapter.ts'
import type { QueueOwner } from './block-queue.ts'
import { BlockQueue } from './block-queue.ts'
import { BlockOperation, BlockRequest } from './block-request.ts'
import type { ExecuteOptions, ScsiResult } from './execute.ts'
import { command, execute } from './execute.ts'
import type { InquiryFacts } from './inquiry.ts'
import { versionName } from './inquiry.ts'
import type { DiskFacts } from './probe.ts'
import { asker, isReady, probeDisk, readIdentity } from './probe.ts'
import { Rounds } from './rounds.ts'
import type { ScsiAddress } from './scsi-address.ts'
import { judge } from './verdict.ts'

const TWO_32 = 0x1_0000_0000

/** What a disk asks of the bus that found it. */
export interface DiskBus {
  readonly adapter: StorvscAdapter
  readonly log: Logger
  /** The LUNs may have changed. */
  rescan(): void
}

/** A disk or optical drive behind a storage controller: `da0`, `cd0`. */
export class ScsiDisk implements BlockDevice, QueueOwner {
  readonly name: string
  readonly address: ScsiAddress
  readonly inquiry: InquiryFacts
  readonly #bus: DiskBus
  readonly #queue: BlockQueue
  readonly #listeners = new Set<(event: BlockDeviceEvent) => void>()
  readonly #idle: PromisedRequest[] = []
  #facts: DiskFacts
  #removed = false
  readonly #probes: Rounds
  #mediaChanged = false
  #refusesWriteSame = false

  constructor(name: string, address: ScsiAddress, inquiry: InquiryFacts, facts: DiskFacts, bus: DiskBus) {
    this.name = name
    this.address = address
    this.inquiry = inquiry
    this.#facts = facts
    this.#bus = bus
    this.#queue = new BlockQueue(bus.adapter, address, this)
    this.#probes = new Rounds(bus.adapter.clock, () => this.#probe())
  }

  /** `Msft Virtual Disk 1.0` */
  get description(): string {
    const { vendor, product, revision } = this.inquiry
    return `${vendor} ${product} ${revision}`
  }

  get geometry(): BlockGeometry {
    return this.#facts.geometry
  }

  get facts(): DiskFacts {
    return this.#facts
  }

  get blockSize(): number {
    return this.#facts.geometry.blockSize
  }

  get byteLength(): number {
    return this.#facts.geometry.blockCount * this.#facts.geometry.blockSize
  }

  get readOnly(): boolean {
    return this.#facts.geometry.readOnly
  }

  get forcesWrites(): boolean {
    return this.#facts.forcesWrites
  }

  get writeCache(): boolean {
    return this.#facts.writeCache
  }

  get mediaPresent(): boolean {
    return this.#facts.mediaPresent
  }

  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#transfer(BlockOperation.read, offset, target, false, signal)
  }

  write(offset: number, source: Uint8Array, options: WriteOptions = {}): Promise<void> {
    return this.#transfer(BlockOperation.write, offset, source, options.durable ?? false, options.signal)
  }

  flush(): Promise<void> {
    return this.#transfer(BlockOperation.flush, 0, NOTHING, false, undefined)
  }

  async trim(offset: number, length: number): Promise<void> {
    const { trim, blockSize } = this.#facts.geometry
    this.#checkRange('trim', offset, length)
    if (trim === undefined) throw new DeviceError('not-supported', `${this.name}: the disk cannot trim`)
    const perCommand = trim.maxBlocks * trim.maxRanges
    let lba = offset / blockSize
    for (let left = length / blockSize; left > 0; ) {
      const blocks = Math.min(left, perCommand)
      const list = unmapList(lba, blocks, trim.maxBlocks)
      const cdb = [ScsiOpcode.UNMAP, 0, 0, 0, 0, 0, 0, list.length >>> 8, list.length & 0xff, 0]
      await this.#command(cdb, { dataOut: list })
      lba += blocks
      left -= blocks
    }
  }

  /** Zeros by WRITE SAME; written out to a disk that has no such command, or refuses it. */
  async writeZeroes(offset: number, length: number, options: WriteOptions = {}): Promise<void> {
    this.#checkRange('zeroing', offset, length)
    const { blockSize } = this
    const perCommand = this.readOnly || this.#refusesWriteSame ? 0 : this.#facts.maxWriteSameBlocks * blockSize
    if (perCommand === 0) return this.#writeOutZeroes(offset, length, options)
    const zeros = new Uint8Array(blockSize)
    for (let at = offset; at < offset + length; ) {
      options.signal?.throwIfAborted()
      // Commands end at multiples of the limit, where blocks that can be given back end too.
      const end = Math.min(offset + length, (Math.floor(at / perCommand) + 1) * perCommand)
      try {
        await this.#command(writeSame16(at / blockSize, (end - at) / blockSize), { dataOut: zeros })
      } catch (error) {
        if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
        this.#refusesWriteSame = true
        return this.#writeOutZeroes(at, offset + length - at, options)
      }
      at = end
    }
    if (options.durable === true) await this.flush()
  }

  /** The quick way in: see {@link BlockRequest}. */
  submit(request: BlockRequest): void {
    this.#queue.submit(request)
  }

  /** Requests submitted until {@link endBatch} go to the host together. */
  beginBatch(): void {
    this.#bus.adapter.beginBatch()
  }

  endBatch(): void {
    this.#bus.adapter.endBatch()
  }

  /** Does a SCSI command as it is, once. Everything the host answers is a result; unit attentions are noted here too. */
  execute(cdb: Uint8Array | readonly number[], options?: ExecuteOptions): Promise<ScsiResult> {
    return execute(this.#bus.adapter, this.address, cdb, options).then((result) => {
      const { action, asc, ascq } = judge(result)
      if (action === 'attention') this.attention(asc, ascq)
      return result
    })
  }

  /**
   * Resets the unit, its bus or the whole controller. Requests under way go on and end as they would have; the device then
   * says once that it was reset.
   */
  reset(kind: ResetKind = 'lun', signal: AbortSignal = new AbortController().signal): Promise<void> {
    return this.#bus.adapter.reset(kind, this.address, signal)
  }

  onEvent(listener: (event: BlockDeviceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // What queue and bus call.

  /** Unit attention: what changed is looked at again, the command in question has been tried again already. */
  attention(asc: number, ascq: number): void {
    const code = (asc << 8) | ascq
    if (code === ATTENTION.reportedLunsChanged) this.#bus.rescan()
    if (code === ATTENTION.reportedLunsChanged || asc === ATTENTION.resetAsc) return
    if (code === ATTENTION.mediumChanged) this.#mediaChanged = true
    if (code === ATTENTION.capacityChanged) this.#log('Capacity data has changed')
    this.reprobe()
  }

  unitGone(): void {
    this.#bus.rescan()
  }

  /**
   * Looks whether this is still the same unit, and lets it say what has changed.
   * @returns false when there is another unit, or none, at its address
   */
  async check(): Promise<boolean> {
    try {
      const onAttention = (asc: number, ascq: number): void => this.attention(asc, ascq)
      const ask = asker(this.#bus.adapter, this.address, { onAttention })
      if ((await readIdentity(ask, this.#facts.pages)) !== this.#facts.identity) return false
      const present = await isReady(ask)
      if (present !== this.#facts.mediaPresent) await this.reprobe()
      return true
    } catch (error) {
      if (error instanceof DeviceError && (error.code === 'removed' || error.code === 'not-supported')) return false
      throw error
    }
  }

  /** Asks the device for everything that may have changed; resolves when that has been done once. */
  reprobe(): Promise<void> {
    return this.#probes.request()
  }

  /** The unit is gone: everything ends, nothing begins any more. */
  remove(): void {
    if (this.#removed) return
    this.#removed = true
    void this.#probes.stop()
    this.#queue.remove(this.#goneError())
    this.#tell({ type: 'removed' })
    this.#listeners.clear()
  }

  /** How da(4) and cd(4) announce it. */
  get announcement(): readonly string[] {
    const { inquiry, facts, name } = this
    const kind = inquiry.type === 0 ? 'Direct Access' : 'CD-ROM'
    const lines = [
      `<${this.description}> ${inquiry.removable ? 'Removable' : 'Fixed'} ${kind} ${versionName(inquiry.version)} SCSI device`,
    ]
    if (facts.serial !== undefined && facts.serial !== '') lines.push(`Serial Number ${facts.serial}`)
    lines.push('300.000MB/s transfers')
    if (inquiry.commandQueueing) lines.push('Command Queueing enabled')
    lines.push(
      facts.mediaPresent ? this.#sizeLine() : 'Attempt to query device size failed: NOT READY, Medium not present',
    )
    return lines.map((line) => `${name}: ${line}`)
  }

  #sizeLine(): string {
    const { blockCount, blockSize } = this.#facts.geometry
    return `${Math.floor(this.byteLength / 1024 / 1024)}MB (${blockCount} ${blockSize} byte sectors)`
  }

  async #probe(): Promise<void> {
    const { adapter } = this.#bus
    try {
      const ask = asker(adapter, this.address, { onAttention: (asc, ascq) => this.#attentionWhileProbing(asc, ascq) })
      this.#update(await probeDisk(ask, this.inquiry, adapter.maxTransferBytes))
    } catch (error) {
      if (this.#removed || adapter.closed) return
      this.#log(`probing failed: ${error instanceof Error ? error.message : String(error)}`)
      if (error instanceof DeviceError && error.code === 'removed') this.#bus.rescan()
    }
  }

  /** What is being read again anyway needs no further round, unless it came after it was read. */
  #attentionWhileProbing(asc: number, ascq: number): void {
    const code = (asc << 8) | ascq
    if (code === ATTENTION.reportedLunsChanged) this.#bus.rescan()
    else if (code === ATTENTION.mediumChanged) this.#mediaChanged = true
    else if (code === ATTENTION.capacityChanged) this.#log('Capacity data has changed')
    if (asc !== ATTENTION.resetAsc) void this.reprobe()
  }

  #update(facts: DiskFacts): void {
    const before = this.#facts
    this.#facts = facts
    const changed = this.#mediaChanged || before.mediaPresent !== facts.mediaPresent
    this.#mediaChanged = false
    if (changed) this.#tell({ type: 'media-changed' })
    if (JSON.stringify(before.geometry) === JSON.stringify(facts.geometry)) return
    if (!changed && before.geometry.blockCount !== facts.geometry.blockCount) {
      this.#bus.log.log('info', `${this.name}: ${this.#sizeLine()}`)
    }
    this.#tell({ type: 'resized', geometry: facts.geometry })
  }

  #checkRange(what: string, offset: number, length: number): void {
    if (this.#removed) throw this.#goneError()
    const { name, blockSize, byteLength } = this
    const range = `${name}: ${what} of ${length} bytes at ${offset}`
    if (!(offset >= 0 && length >= 0) || offset % blockSize !== 0 || length % blockSize !== 0) {
      throw new DeviceError('invalid-argument', `${range}, not whole blocks`)
    }
    if (offset + length > byteLength) throw new DeviceError('out-of-range', `${range} on ${byteLength}`)
  }

  async #writeOutZeroes(offset: number, length: number, options: WriteOptions): Promise<void> {
    const zeros = new Uint8Array(Math.min(length, ZERO_BYTES))
    for (let done = 0; done < length; done += zeros.length) {
      await this.write(offset + done, zeros.subarray(0, Math.min(zeros.length, length - done)), options)
    }
  }

  #tell(event: BlockDeviceEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  #command(cdb: readonly number[], options: ExecuteOptions): Promise<ScsiResult> {
    const onAttention = (asc: number, ascq: number): void => this.attention(asc, ascq)
    return command(this.#bus.adapter, this.address, cdb, { ...options, onAttention })
  }

  #transfer(
    operation: BlockRequest['operation'],
    offset: number,
    buffer: Uint8Array,
    durable: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (operation !== BlockOperation.flush && buffer.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(new DeviceError('aborted', `${this.name}: given up before it began`, { cause: signal.reason }))
        return
      }
      const request = this.#idle.pop() ?? new PromisedRequest((done) => this.#idle.push(done))
      request.operation = operation
      request.offset = offset
      request.length = buffer.length
      request.buffer = buffer
      request.durable = durable
      request.resolve = resolve
      request.reject = reject
      if (signal !== undefined) this.#cancelWith(request, signal)
      this.#queue.submit(request)
    })
  }

  /** What the host has already is waited for: it may be writing into the buffer. */
  #cancelWith(request: PromisedRequest, signal: AbortSignal): void {
    const onAbort = (): void => {
      request.aborted = new DeviceError('aborted', `${this.name}: given up`, { cause: signal.reason })
      if (this.#queue.cancel(request)) request.onDone(request)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    request.stopWatching = () => signal.removeEventListener('abort', onAbort)
  }

  #log(text: string): void {
    const { path, target, lun } = this.address
    const where = `${this.name}:${path}:${target}:${lun}`
    this.#bus.log.log('info', `(${where}): ${text}`, `attention-${this.name}`)
  }

  #goneError(): DeviceError {
    return new DeviceError('removed', `${this.name} is gone`)
  }
}

/** A block request that ends in a promise. */
class PromisedRequest extends BlockRequest {
  resolve: () => void = () => {}
  reject: (error: DeviceError) => void = () => {}
  aborted: DeviceError | undefined = undefined
  stopWatching: (() => void) | undefined = undefined

  constructor(recycle: (request: PromisedRequest) => void) {
    super(() => this.#end(recycle))
  }

  #end(recycle: (request: PromisedRequest) => void): void {
    const { resolve, reject } = this
    const error = this.aborted ?? this.error
    this.stopWatching?.()
    this.stopWatching = undefined
    this.aborted = undefined
    this.buffer = NOTHING
    recycle(this)
    if (error === undefined) resolve()
    else reject(error)
  }
}

const NOTHING = new Uint8Array(0)
/** Zeros written at a time. */
const ZERO_BYTES = 2 ** 20

/** Additional sense codes of unit attentions, with the qualifier in the low byte. */
const ATTENTION = {
  mediumChanged: 0x2800,
  resetAsc: 0x29,
  capacityChanged: 0x2a09,
  reportedLunsChanged: 0x3f0e,
} as const

function writeSame16(lba: number, blocks: number): number[] {
  const cdb = new Uint8Array(16)
  const view = new DataView(cdb.buffer)
  view.setUint8(0, ScsiOpcode.WRITE_SAME_16)
  view.setUint32(2, Math.floor(lba / TWO_32))
  view.setUint32(6, lba % TWO_32)
  view.setUint32(10, blocks)
  return [...cdb]
}

/** The parameter list of UNMAP for one run of blocks, in as many descriptors as it takes. */
function unmapList(lba: number, blocks: number, maxBlocks: number): Uint8Array {
  const count = Math.ceil(blocks / maxBlocks)
  const list = new Uint8Array(8 + count * 16)
  const view = new DataView(list.buffer)
  view.setUint16(0, list.length - 2)
  view.setUint16(2, count * 16)
  for (let i = 0; i < count; i++) {
    const first = lba + i * maxBlocks
    view.setUint32(8 + i * 16, Math.floor(first / TWO_32))
    view.setUint32(12 + i * 16, first % TWO_32)
    view.setUint32(16 + i * 16, Math.min(maxBlocks, blocks - i * maxBlocks))
  }
  return list
}
