import type {
  EthernetCapabilities,
  EthernetEvent,
  EthernetInterface,
  EthernetSettings,
  EthernetStatistics,
  FrameOffload,
  LinkState,
  ReceivedFrame,
  ReceiveHandler,
} from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'
import type { NetworkAdapter } from '../netvsp/network-adapter.ts'
import type { VirtualFunctionClient } from '../netvsp/nvsp/function-path.ts'
import { SwitchFrame } from './switch-frame.ts'

export interface VirtualFunctionOptions {
  readonly name: string
  /** Of its slot, as the guest is told by its synthetic adapter. */
  readonly serial: number
  readonly adapter: NetworkAdapter
}

/**
 * A virtual function of a guest's NIC, modelled as a second way to the same port of the switch, without a channel. The PCI
 * device that a guest really finds it on is not there yet: the guest registers this object as its interface. It carries
 * frames only while the guest has the data path switched to it; what is sent before or after is lost and counted.
 */
export class VirtualFunction implements EthernetInterface, VirtualFunctionClient {
  readonly name: string
  readonly serial: number
  readonly description = 'Virtual Function'
  readonly takesChecksums = false
  readonly takesSegments = 0
  readonly capabilities: EthernetCapabilities = NO_OFFLOADS
  readonly link: LinkState = { up: true, speed: 25e9 }
  /** Frames sent while the data path was elsewhere. */
  offPath = 0
  readonly #statistics = { txFrames: 0, txBytes: 0, txErrors: 0, rxFrames: 0, rxBytes: 0, rxDropped: 0 }
  readonly #adapter: NetworkAdapter
  readonly #frame = new SwitchFrame()
  readonly #received: { -readonly [K in keyof ReceivedFrame]: ReceivedFrame[K] }[] = [{ ...EMPTY }]
  readonly #listeners = new Set<(event: EthernetEvent) => void>()
  #handler: ReceiveHandler | undefined
  #active = false
  #up = false

  constructor(options: VirtualFunctionOptions) {
    this.name = options.name
    this.serial = options.serial
    this.#adapter = options.adapter
  }

  get settings(): EthernetSettings {
    const address = this.#adapter.permanentAddress
    return { mtu: 1500, mtuMax: 9000, address, up: this.#up, promiscuous: false, allMulticast: true, multicast: [] }
  }

  get statistics(): EthernetStatistics {
    return this.#statistics
  }

  /** Tells the guest of it. */
  assign(): void {
    this.#adapter.assignVirtualFunction(this.serial, this)
  }

  /** Takes it away: the data path goes back first. */
  withdraw(): void {
    this.#adapter.withdrawVirtualFunction()
  }

  transmit(bytes: Uint8Array, offset: number, length: number, offload?: FrameOffload): TransmitStatus {
    if (offload !== undefined && (offload.checksum !== 0 || offload.segmentSize !== 0)) return TransmitStatus.refused
    if (!this.#active || !this.#up) {
      this.offPath++
      return TransmitStatus.down
    }
    const frame = this.#frame
    frame.clear()
    frame.bytes = bytes.slice(offset, offset + length)
    frame.length = length
    if (offload !== undefined && offload.vlan >= 0) {
      frame.vlan = offload.vlan & 0xfff
      frame.priority = offload.vlan >> 13
    }
    this.#statistics.txFrames++
    this.#statistics.txBytes += length
    this.#adapter.switchPort.send(frame)
    this.#adapter.switchPort.flush()
    return TransmitStatus.sent
  }

  beginBatch(): void {}
  endBatch(): void {}

  transmitBatch(frames: readonly Uint8Array[], offload?: FrameOffload): number {
    let taken = 0
    for (const frame of frames) {
      if (this.transmit(frame, 0, frame.length, offload) !== TransmitStatus.sent) break
      taken++
    }
    return taken
  }

  receive(handler: ReceiveHandler | undefined): void {
    this.#handler = handler
  }

  async configure(change: Partial<Omit<EthernetSettings, 'mtuMax'>>): Promise<void> {
    if (change.up !== undefined) this.#up = change.up
  }

  onEvent(listener: (event: EthernetEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // What the switch calls.

  switched(active: boolean): void {
    this.#active = active
  }

  deliver(frame: SwitchFrame): void {
    const slot = this.#received[0]
    if (slot === undefined) return
    slot.bytes = frame.bytes.slice(frame.offset, frame.offset + frame.length)
    slot.view = new DataView(slot.bytes.buffer)
    slot.length = frame.length
    slot.vlan = frame.vlan === 0 ? -1 : (frame.priority << 13) | frame.vlan
    this.#statistics.rxFrames++
    this.#statistics.rxBytes += frame.length
    this.#handler?.(this.#received, 1)
  }
}

const NO_BYTES = new Uint8Array(0)
const EMPTY: ReceivedFrame = {
  bytes: NO_BYTES,
  view: new DataView(NO_BYTES.buffer),
  offset: 0,
  length: 0,
  checksum: 0,
  vlan: -1,
  hash: 0,
  hashType: 0,
  queue: 0,
  segments: 1,
}
const NO_OFFLOADS: EthernetCapabilities = {
  checksum4: 0,
  checksum6: 0,
  segment4: 0,
  segment6: 0,
  vlan: true,
  queues: 1,
}
