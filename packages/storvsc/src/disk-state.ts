import type { BlockDeviceEvent, Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import type { StorvscAdapter } from './adapter.ts'
import { describeSize } from './announcement.ts'
import type { QueueOwner } from './block-queue.ts'
import type { InquiryFacts } from './inquiry.ts'
import type { DiskFacts } from './probe.ts'
import { asker, isReady, probeDisk, readIdentity } from './probe.ts'
import { Rounds } from './rounds.ts'
import type { ScsiAddress } from './scsi-address.ts'

/** Additional sense codes of unit attentions, with the qualifier in the low byte. */
const ATTENTION = {
  mediumChanged: 0x2800,
  resetAsc: 0x29,
  capacityChanged: 0x2a09,
  reportedLunsChanged: 0x3f0e,
} as const

/** What a disk asks of the bus that found it. */
export interface DiskBus {
  readonly adapter: StorvscAdapter
  readonly log: Logger
  /** The LUNs may have changed. */
  rescan(): void
}

/** Which unit a disk is, as the bus has found it. */
export interface DiskIdentity {
  readonly name: string
  readonly address: ScsiAddress
  readonly inquiry: InquiryFacts
}

/** What is known of a disk, kept up with what the disk says of itself: size, medium, cache. */
export class DiskState implements QueueOwner {
  readonly name: string
  readonly #address: ScsiAddress
  readonly #inquiry: InquiryFacts
  readonly #bus: DiskBus
  readonly #tell: (event: BlockDeviceEvent) => void
  readonly #probes: Rounds
  #facts: DiskFacts
  #mediaChanged = false
  #stopped = false

  /** @param tell something has changed */
  constructor(identity: DiskIdentity, facts: DiskFacts, bus: DiskBus, tell: (event: BlockDeviceEvent) => void) {
    this.name = identity.name
    this.#address = identity.address
    this.#inquiry = identity.inquiry
    this.#facts = facts
    this.#bus = bus
    this.#tell = tell
    this.#probes = new Rounds(bus.adapter.clock, () => this.#probe())
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

  /** Unit attention: what changed is looked at again, the command in question has been tried again already. */
  attention(asc: number, ascq: number): void {
    const code = (asc << 8) | ascq
    if (code === ATTENTION.reportedLunsChanged) this.#bus.rescan()
    if (code === ATTENTION.reportedLunsChanged || asc === ATTENTION.resetAsc) return
    if (code === ATTENTION.mediumChanged) this.#mediaChanged = true
    if (code === ATTENTION.capacityChanged) this.#log('Capacity data has changed')
    void this.reprobe()
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
      const ask = this.#asker()
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

  /** The unit is gone: nothing is looked at any more. */
  stop(): void {
    this.#stopped = true
    void this.#probes.stop()
  }

  #asker(): ReturnType<typeof asker> {
    const onAttention = (asc: number, ascq: number): void => this.attention(asc, ascq)
    return asker(this.#bus.adapter, this.#address, { onAttention })
  }

  async #probe(): Promise<void> {
    const { adapter } = this.#bus
    try {
      this.#update(await probeDisk(this.#asker(), this.#inquiry, adapter.maxTransferBytes))
    } catch (error) {
      if (this.#stopped || adapter.closed) return
      this.#log(`probing failed: ${error instanceof Error ? error.message : String(error)}`)
      if (error instanceof DeviceError && error.code === 'removed') this.#bus.rescan()
    }
  }

  #update(facts: DiskFacts): void {
    const before = this.#facts
    this.#facts = facts
    const changed = this.#mediaChanged || before.mediaPresent !== facts.mediaPresent
    this.#mediaChanged = false
    if (changed) this.#tell({ type: 'media-changed' })
    if (JSON.stringify(before.geometry) === JSON.stringify(facts.geometry)) return
    if (!changed && before.geometry.blockCount !== facts.geometry.blockCount) {
      this.#bus.log.log('info', `${this.name}: ${describeSize(facts.geometry)}`)
    }
    this.#tell({ type: 'resized', geometry: facts.geometry })
  }

  #log(text: string): void {
    const { path, target, lun } = this.#address
    const where = `${this.name}:${path}:${target}:${lun}`
    this.#bus.log.log('info', `(${where}): ${text}`, `attention-${this.name}`)
  }
}
