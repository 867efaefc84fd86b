import type { BlockDevice, BlockDeviceEvent, BlockGeometry, WriteOptions } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import type { ResetKind, StorvscAdapter } from './adapter.ts'
import { announce, describeUnit } from './announcement.ts'
import { BlockQueue } from './block-queue.ts'
import type { BlockRequest } from './block-request.ts'
import { command } from './command.ts'
import type { DiskBus, DiskIdentity } from './disk-state.ts'
import { DiskState } from './disk-state.ts'
import type { ExecuteOptions, ScsiResult } from './execute.ts'
import { execute } from './execute.ts'
import type { InquiryFacts } from './inquiry.ts'
import type { DiskFacts } from './probe.ts'
import { PromisedTransfers } from './promised-transfers.ts'
import { checkRange } from './range-check.ts'
import type { ScsiAddress } from './scsi-address.ts'
import { unmapCommands } from './unmap.ts'
import { judge } from './verdict.ts'
import { Zeroing } from './zeroing.ts'

/** A disk or optical drive behind a storage controller: `da0`, `cd0`. */
export class ScsiDisk implements BlockDevice {
  readonly name: string
  readonly address: ScsiAddress
  readonly inquiry: InquiryFacts
  readonly #adapter: StorvscAdapter
  readonly #state: DiskState
  readonly #queue: BlockQueue
  readonly #transfers: PromisedTransfers
  readonly #zeroing: Zeroing
  readonly #listeners = new Set<(event: BlockDeviceEvent) => void>()
  #removed = false

  constructor(identity: DiskIdentity, facts: DiskFacts, bus: DiskBus) {
    const { name, address, inquiry } = identity
    this.name = name
    this.address = address
    this.inquiry = inquiry
    this.#adapter = bus.adapter
    const state = new DiskState(identity, facts, bus, (event) => this.#tell(event))
    this.#state = state
    this.#queue = new BlockQueue(bus.adapter, address, state)
    this.#transfers = new PromisedTransfers(name, this.#queue)
    this.#zeroing = new Zeroing({
      get blockSize() {
        return state.blockSize
      },
      get maxWriteSameBlocks() {
        return state.readOnly ? 0 : state.facts.maxWriteSameBlocks
      },
      command: (cdb, dataOut) => this.#command(cdb, { dataOut }),
      write: (offset, source, options) => this.write(offset, source, options),
      flush: () => this.flush(),
    })
  }

  /** `Msft Virtual Disk 1.0` */
  get description(): string {
    return describeUnit(this.inquiry)
  }

  get geometry(): BlockGeometry {
    return this.#state.facts.geometry
  }

  get facts(): DiskFacts {
    return this.#state.facts
  }

  get blockSize(): number {
    return this.#state.blockSize
  }

  get byteLength(): number {
    return this.#state.byteLength
  }

  get readOnly(): boolean {
    return this.#state.readOnly
  }

  get forcesWrites(): boolean {
    return this.#state.forcesWrites
  }

  get writeCache(): boolean {
    return this.#state.writeCache
  }

  get mediaPresent(): boolean {
    return this.#state.mediaPresent
  }

  /** How da(4) and cd(4) announce it. */
  get announcement(): readonly string[] {
    return announce(this.name, this.inquiry, this.facts)
  }

  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#transfers.read(offset, target, signal)
  }

  write(offset: number, source: Uint8Array, options: WriteOptions = {}): Promise<void> {
    return this.#transfers.write(offset, source, options.durable ?? false, options.signal)
  }

  flush(): Promise<void> {
    return this.#transfers.flush()
  }

  async trim(offset: number, length: number): Promise<void> {
    const { trim, blockSize } = this.geometry
    this.#checkRange('trim', offset, length)
    if (trim === undefined) throw new DeviceError('not-supported', `${this.name}: the disk cannot trim`)
    for (const { cdb, dataOut } of unmapCommands(offset / blockSize, length / blockSize, trim)) {
      await this.#command(cdb, { dataOut })
    }
  }

  /** Zeros by WRITE SAME; written out to a disk that has no such command, or refuses it. */
  async writeZeroes(offset: number, length: number, options: WriteOptions = {}): Promise<void> {
    this.#checkRange('zeroing', offset, length)
    await this.#zeroing.zero(offset, length, options)
  }

  /** The quick way in: see {@link BlockRequest}. */
  submit(request: BlockRequest): void {
    this.#queue.submit(request)
  }

  /** Requests submitted until {@link endBatch} go to the host together. */
  beginBatch(): void {
    this.#adapter.beginBatch()
  }

  endBatch(): void {
    this.#adapter.endBatch()
  }

  /** Does a SCSI command as it is, once. Everything the host answers is a result; unit attentions are noted here too. */
  execute(cdb: Uint8Array | readonly number[], options?: ExecuteOptions): Promise<ScsiResult> {
    return execute(this.#adapter, this.address, cdb, options).then((result) => {
      const { action, asc, ascq } = judge(result)
      if (action === 'attention') this.#state.attention(asc, ascq)
      return result
    })
  }

  /**
   * Resets the unit, its bus or the whole controller. Requests under way go on and end as they would have; the device then
   * says once that it was reset.
   */
  reset(kind: ResetKind = 'lun', signal: AbortSignal = new AbortController().signal): Promise<void> {
    return this.#adapter.reset(kind, this.address, signal)
  }

  onEvent(listener: (event: BlockDeviceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @see DiskState.check */
  check(): Promise<boolean> {
    return this.#state.check()
  }

  /** @see DiskState.reprobe */
  reprobe(): Promise<void> {
    return this.#state.reprobe()
  }

  /** The unit is gone: everything ends, nothing begins any more. */
  remove(): void {
    if (this.#removed) return
    this.#removed = true
    this.#state.stop()
    this.#queue.remove(this.#goneError())
    this.#tell({ type: 'removed' })
    this.#listeners.clear()
  }

  #checkRange(what: string, offset: number, length: number): void {
    if (this.#removed) throw this.#goneError()
    checkRange(this.#state, what, offset, length)
  }

  #command(cdb: readonly number[], options: ExecuteOptions): Promise<ScsiResult> {
    const onAttention = (asc: number, ascq: number): void => this.#state.attention(asc, ascq)
    return command(this.#adapter, this.address, cdb, { ...options, onAttention })
  }

  #tell(event: BlockDeviceEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  #goneError(): DeviceError {
    return new DeviceError('removed', `${this.name} is gone`)
  }
}
