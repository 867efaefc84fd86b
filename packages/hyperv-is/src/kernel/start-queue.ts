import type {
  EthernetCapabilities,
  EthernetEvent,
  EthernetInterface,
  EthernetSettings,
  EthernetStatistics,
  FrameOffload,
  LinkState,
  ReceiveHandler,
} from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'

interface Slot {
  bytes: Uint8Array
  length: number
  readonly offload: FrameOffload
}

const NO_OFFLOAD: FrameOffload = { checksum: 0, segmentSize: 0, transportOffset: 0, vlan: -1, hash: 0 }

/**
 * An interface as a kernel with `if_start` has it: frames go into the interface's queue, and `start` gives them to the
 * driver until that has no more room (`IFF_DRV_OACTIVE`); it starts again when the driver says so. The slots are used
 * again, so nothing is allocated once each has held a frame of the longest kind.
 */
export class StartQueue implements EthernetInterface {
  readonly device: EthernetInterface
  readonly #slots: (Slot | undefined)[]
  readonly #listeners = new Set<(event: EthernetEvent) => void>()
  #head = 0
  #count = 0
  /** The driver has no room: nothing is started until it says that it has. */
  #active = false
  #refusedSome = false

  /** @param limit frames that the queue holds (`ifq_maxlen`) */
  constructor(device: EthernetInterface, limit: number) {
    this.device = device
    this.#slots = Array.from({ length: limit }, () => undefined)
    device.onEvent((event) => this.#onEvent(event))
  }

  get name(): string {
    return this.device.name
  }
  get description(): string {
    return this.device.description
  }
  get settings(): EthernetSettings {
    return this.device.settings
  }
  get capabilities(): EthernetCapabilities {
    return this.device.capabilities
  }
  get link(): LinkState {
    return this.device.link
  }
  get statistics(): EthernetStatistics {
    return this.device.statistics
  }

  /** Frames that wait. */
  get queued(): number {
    return this.#count
  }

  transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload): TransmitStatus {
    if (this.#count === 0 && !this.#active) {
      const status = this.device.transmit(bytes, offset, length, offload)
      if (status !== TransmitStatus.full) return status
      this.#active = true
    }
    if (this.#count === this.#slots.length) {
      this.#refusedSome = true
      return TransmitStatus.full
    }
    this.#enqueue(bytes, offset, length, offload ?? NO_OFFLOAD)
    return TransmitStatus.sent
  }

  beginBatch(): void {
    this.device.beginBatch()
  }

  endBatch(): void {
    this.device.endBatch()
  }

  transmitBatch(frames: readonly Uint8Array[], offload?: FrameOffload): number {
    let taken = 0
    this.beginBatch()
    for (const frame of frames) {
      if (this.transmit(frame, 0, frame.length, offload) !== TransmitStatus.sent) break
      taken++
    }
    this.endBatch()
    return taken
  }

  receive(handler: ReceiveHandler | undefined): void {
    this.device.receive(handler)
  }

  configure(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void> {
    return this.device.configure(change)
  }

  onEvent(listener: (event: EthernetEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #enqueue(bytes: Uint8Array, offset: number, length: number, offload: FrameOffload): void {
    const index = (this.#head + this.#count) % this.#slots.length
    let slot = this.#slots[index]
    if (slot === undefined) {
      slot = { bytes: new Uint8Array(length), length, offload: { ...NO_OFFLOAD } }
      this.#slots[index] = slot
    }
    if (slot.bytes.length < length) slot.bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) slot.bytes[i] = bytes[offset + i] ?? 0
    slot.length = length
    Object.assign(slot.offload, offload)
    this.#count++
  }

  /** if_start: what waits goes to the driver, in order. A frame that the driver refuses is dropped, as there. */
  #start(): void {
    this.device.beginBatch()
    while (this.#count > 0) {
      const slot = this.#slots[this.#head]
      if (slot === undefined) break
      const status = this.device.transmit(slot.bytes, 0, slot.length, slot.offload)
      if (status === TransmitStatus.full) break
      this.#head = (this.#head + 1) % this.#slots.length
      this.#count--
    }
    this.device.endBatch()
    this.#active = this.#count > 0
    if (this.#active || !this.#refusedSome) return
    this.#refusedSome = false
    this.#tell({ type: 'writable' })
  }

  #onEvent(event: EthernetEvent): void {
    if (event.type === 'writable') {
      this.#start()
      return
    }
    const gone = event.type === 'removed' || (event.type === 'settings' && !event.settings.up)
    // IFQ_PURGE: an interface that is down keeps no frames.
    if (gone) this.#count = 0
    if (gone) this.#active = false
    this.#tell(event)
  }

  #tell(event: EthernetEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
