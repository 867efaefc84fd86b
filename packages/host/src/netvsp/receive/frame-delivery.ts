import { FrameHeaders } from '@bis/hyperv-types/ethernet'
import type { SwitchFrame } from '../../vswitch/switch-frame.ts'
import type { NetChannel } from '../net-channel.ts'
import type { Offloads } from '../rndis/offloads.ts'
import { coalescedChecksumWord, finishLengths, verdict } from './receive-checksum.ts'
import type { ReceiveScaling } from './rss.ts'

/** Brings frames of the switch to the queue of their flow, with what the guest is told of each. */
export class FrameDelivery {
  readonly #scaling: ReceiveScaling
  readonly #offloads: Offloads
  readonly #headers = new FrameHeaders()
  readonly #info = { vlan: 0, priority: 0, checksum: 0, hash: 0, hashType: 0 }

  constructor(scaling: ReceiveScaling, offloads: Offloads) {
    this.#scaling = scaling
    this.#offloads = offloads
  }

  deliver(frame: SwitchFrame, channels: readonly (NetChannel | undefined)[]): void {
    const info = this.#info
    info.vlan = frame.vlan
    info.priority = frame.priority
    info.checksum = 0
    info.hash = 0
    const { bytes, offset, length } = frame
    const scaling = this.#scaling
    const offloads = this.#offloads
    const large = frame.segmentSize !== 0
    let queue = channels[0]?.queue
    if (scaling.enabled || offloads.receives) {
      const headers = this.#headers
      headers.read(bytes, offset, offset + length)
      if (scaling.enabled) {
        info.hash = scaling.hash(bytes, headers)
        info.hashType = scaling.hashType
        if (info.hash !== 0) queue = channels[scaling.queueOf(info.hash)]?.queue ?? queue
      }
      if (offloads.receives && !large) info.checksum = verdict(bytes, headers, frame.finished)
    }
    if (large) {
      finishLengths(frame)
      info.checksum = coalescedChecksumWord(frame.checksum)
      queue?.deliverCoalesced(bytes, offset, length, info)
    } else {
      queue?.deliver(bytes, offset, length, info)
    }
  }
}
