import type { Clock } from '@bis/hyperv-types'
import { macKey } from '@bis/hyperv-types/ethernet'
import { FaultyLink } from './faults.ts'
import type { CaptureDirection, PcapngWriter } from './pcapng.ts'
import type { PortOptions, PortSettings } from './port-settings.ts'
import { addressKey } from './port-settings.ts'
import { Shaper } from './shaper.ts'
import { SwitchFrame } from './switch-frame.ts'
import { DROP, VlanRule } from './vlan.ts'

/** Where the source address of a frame is. */
export const SOURCE = 6

/** Who is behind a port. None of it may throw or call back into the switch. */
export interface PortClient {
  /** It fills in checksums by itself, or does without. */
  readonly takesChecksums: boolean
  /** It takes TCP frames of this many bytes that are yet to be cut; 0 for none. */
  readonly takesSegments: number
  /** A frame for the client, valid during the call. */
  deliver(frame: SwitchFrame): void
  /** A burst is over. */
  flush?(): void
  /** The cable was plugged in or pulled. */
  connected?(connected: boolean): void
}

/** What a port asks of its switch. */
export interface PortHost {
  readonly clock: Clock
  /** The time of the burst. */
  seconds(): number
  forward(port: SwitchPort, frame: SwitchFrame): void
  flush(): void
  changed(port: SwitchPort): void
  removed(port: SwitchPort): void
}

/** Counters of a port; `in` is into the switch. */
export interface PortCounters {
  framesIn: number
  bytesIn: number
  framesOut: number
  bytesOut: number
  vlanDrops: number
  spoofDrops: number
  guardDrops: number
  stormDrops: number
  unfinishedDrops: number
}

/** A port of the switch: settings, counters, and the way in and out. */
export class SwitchPort {
  readonly id: number
  readonly name: string
  readonly kind: PortOptions['kind']
  readonly counters: PortCounters = {
    framesIn: 0,
    bytesIn: 0,
    framesOut: 0,
    bytesOut: 0,
    vlanDrops: 0,
    spoofDrops: 0,
    guardDrops: 0,
    stormDrops: 0,
    unfinishedDrops: 0,
  }
  client: PortClient
  vlan: VlanRule
  /** Any source address, and unknown unicast. */
  open = false
  /** Frames from here are looked at for what only a DHCP server or a router may send. */
  guarded = false
  /** The priority that a guest gives its frames is kept. */
  keepsPriority = false
  /** Something was delivered since the last flush. */
  touched = false
  capture: { readonly writer: PcapngWriter; readonly interfaceNumber: number } | undefined
  readonly #host: PortHost
  #settings: PortSettings
  #addressKey: number
  #address: Uint8Array | undefined
  #shaper: Shaper | undefined
  #faults: FaultyLink | undefined
  #connected = true
  /** Frames to all that came from here in the second that was last looked at. */
  #stormSecond = 0
  #stormCount = 0
  readonly #toClient = new SwitchFrame()

  constructor(host: PortHost, id: number, options: PortOptions, client: PortClient) {
    this.#host = host
    this.id = id
    this.name = options.name
    this.kind = options.kind
    this.client = client
    this.#settings = options
    this.#address = options.address
    this.#addressKey = addressKey(options)
    this.vlan = new VlanRule(options.vlan ?? { mode: 'untagged' })
    this.#apply()
  }

  get settings(): PortSettings {
    return this.#settings
  }

  /** Key of the assigned address, -1 when there is none. */
  get addressKey(): number {
    return this.#addressKey
  }

  get address(): Uint8Array | undefined {
    return this.#address
  }

  get connected(): boolean {
    return this.#connected
  }

  get faultCounters(): FaultyLink['counters'] | undefined {
    return this.#faults?.counters
  }

  /** Changes some settings; they act on the next frame. @throws RangeError for a bad VLAN, with nothing changed */
  configure(change: PortSettings): void {
    const vlan = change.vlan === undefined ? this.vlan : new VlanRule(change.vlan)
    const connected = this.connected
    this.#settings = { ...this.#settings, ...change }
    this.vlan = vlan
    this.#apply()
    this.#host.changed(this)
    if (this.connected !== connected) this.client.connected?.(this.connected)
  }

  /** The guest programmed another address, which takes effect where spoofing is allowed. @returns whether it was */
  setAddress(address: Uint8Array): boolean {
    if (!this.open) return false
    this.#address = address.slice()
    this.#addressKey = addressKey({ name: '', kind: 'vm', address })
    this.#host.changed(this)
    return true
  }

  /** A frame from the client; valid during the call. */
  send(frame: SwitchFrame): void {
    if (!this.connected) return
    if (this.#shaper === undefined) this.#host.forward(this, frame)
    else this.#shaper.send(frame)
  }

  /** The client's burst is over. */
  flush(): void {
    this.#host.flush()
  }

  /** Counts a frame that goes to all. @returns whether there were more in this second than the port may send */
  isStorm(): boolean {
    const limit = this.#settings.stormLimit ?? 0
    if (limit === 0) return false
    const second = Math.floor(this.#host.seconds())
    if (this.#stormSecond !== second) {
      this.#stormSecond = second
      this.#stormCount = 0
    }
    return ++this.#stormCount > limit
  }

  /** Whether a frame says that it is from somebody else. */
  isSpoofed({ bytes, offset }: SwitchFrame): boolean {
    return !this.open && macKey(bytes, offset + SOURCE) !== this.#addressKey
  }

  /** A frame of the switch for this port; the tag is put as the port shows it. */
  deliver(frame: SwitchFrame): void {
    if (!this.connected) return
    const tag = this.vlan.egress(frame.vlan)
    if (tag === DROP) {
      this.counters.vlanDrops++
      return
    }
    this.deliverTagged(frame, tag)
  }

  /** As {@link deliver}, whatever the port's VLANs are: for mirroring. */
  deliverTagged(frame: SwitchFrame, tag: number): void {
    const out = this.#toClient
    out.bytes = frame.bytes
    out.offset = frame.offset
    out.length = frame.length
    out.describe(frame)
    out.vlan = tag
    if (this.#faults === undefined) this.#hand(out)
    else this.#faults.send(out)
    // Checksums that were filled in are there for the next port too.
    frame.checksum = out.checksum
    frame.finished = out.finished
  }

  remove(): void {
    this.#shaper?.stop()
    this.#host.removed(this)
  }

  note(direction: CaptureDirection, frame: SwitchFrame): void {
    const { capture } = this
    if (capture === undefined) return
    const tci = frame.vlan === 0 ? 0 : (frame.priority << 13) | frame.vlan
    const { bytes, offset, length } = frame
    const now = this.#host.clock.realtime()
    capture.writer.frame(capture.interfaceNumber, now, direction, bytes, offset, length, tci)
  }

  #hand(frame: SwitchFrame): void {
    this.counters.framesOut++
    this.counters.bytesOut += frame.length
    this.client.deliver(frame)
  }

  #apply(): void {
    const { maximumBandwidth = 0, faults, connected = true, dhcpGuard, routerGuard, ...settings } = this.#settings
    this.#connected = connected
    this.open = this.kind !== 'vm' || settings.macSpoofing === true
    this.guarded = dhcpGuard === true || routerGuard === true
    this.keepsPriority = this.kind !== 'vm' || settings.priorityTag === true
    this.#shaper?.stop()
    const { clock } = this.#host
    this.#shaper =
      maximumBandwidth > 0
        ? new Shaper(maximumBandwidth, clock, (frame) => {
            this.#host.forward(this, frame)
            this.#host.flush()
          })
        : undefined
    this.#faults =
      faults === undefined
        ? undefined
        : new FaultyLink(faults, clock, (frame) => {
            this.#hand(frame)
            // Late frames come outside a burst.
            if ((faults.delayMs ?? 0) + (faults.jitterMs ?? 0) > 0) this.client.flush?.()
          })
  }
}
