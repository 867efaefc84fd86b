import type { Clock } from '@bis/hyperv-types'
import { FrameHeaders, isGroup, macKey } from '@bis/hyperv-types/ethernet'
import { HostError } from '../errors.ts'
import { Finisher, finishChecksums } from './finisher.ts'
import { isDhcpServerMessage, isRouterMessage } from './guards.ts'
import { MacTable } from './mac-table.ts'
import type { CaptureSink } from './pcapng.ts'
import { CaptureDirection, PcapngWriter } from './pcapng.ts'
import type { PortOptions } from './port-settings.ts'
import type { SwitchFrame } from './switch-frame.ts'
import type { PortClient, PortHost } from './switch-port.ts'
import { SwitchPort } from './switch-port.ts'
import { DROP } from './vlan.ts'

/**
 * - `private`: guests only; `internal`: guests and ports of the host; `external`: besides, ports to networks outside.
 */
export type SwitchKind = 'private' | 'internal' | 'external'

export interface VirtualSwitchOptions {
  readonly clock: Clock
  /** Default `external`. */
  readonly kind?: SwitchKind
}

const SOURCE = 6
const LEAST_FRAME = 14

/**
 * A layer 2 switch between guests, the host and outside networks. A guest's address is assigned with its port, not
 * learned; addresses outside are learned. Frames are handed on during the call that brings them.
 */
export class VirtualSwitch implements PortHost {
  readonly clock: Clock
  readonly kind: SwitchKind
  readonly #ports = new Map<number, SwitchPort>()
  /** The same ports, for loops that allocate nothing. */
  #list: SwitchPort[] = []
  readonly #assigned = new MacTable()
  readonly #learned = new MacTable()
  readonly #headers = new FrameHeaders()
  readonly #finisher = new Finisher()
  /** Ports that were given frames in this burst; the array is never cut short, which would have it made anew. */
  readonly #touched: (SwitchPort | undefined)[] = []
  #touchedCount = 0
  #nextId = 1
  #mirrors = false
  /** Seconds; negative when not known in this burst. */
  #time = -1
  #receiver: SwitchPort | undefined
  readonly #toReceiver = (frame: SwitchFrame): void => this.#receiver?.deliver(frame)
  readonly #capturing = {
    port: undefined as SwitchPort | undefined,
    direction: CaptureDirection.inbound as CaptureDirection,
  }
  readonly #toCapture = (frame: SwitchFrame): void => {
    const { port, direction } = this.#capturing
    port?.note(direction, frame)
  }
  readonly #captureFinisher = new Finisher()

  constructor(options: VirtualSwitchOptions) {
    this.clock = options.clock
    this.kind = options.kind ?? 'external'
  }

  get ports(): readonly SwitchPort[] {
    return this.#list
  }

  /** @throws HostError `bad-offer` for an address that another port has, or a kind of port that this switch has not */
  addPort(options: PortOptions, client: PortClient): SwitchPort {
    const allowed =
      options.kind === 'vm' || this.kind === 'external' || (this.kind === 'internal' && options.kind === 'host')
    if (!allowed) throw new HostError('bad-offer', `a ${this.kind} switch has no ${options.kind} ports`)
    const port = new SwitchPort(this, this.#nextId++, options, client)
    const twin = this.#list.find(({ addressKey }) => addressKey >= 0 && addressKey === port.addressKey)
    if (twin !== undefined) {
      throw new HostError('bad-offer', `ports ${twin.name} and ${port.name} have the same address`)
    }
    this.#ports.set(port.id, port)
    this.changed(port)
    return port
  }

  /** Writes what passes some ports to a capture file; every port is an interface of its own. @returns how to stop */
  capture(ports: readonly SwitchPort[], sink: CaptureSink): () => void {
    const writer = new PcapngWriter(sink)
    for (const port of ports) port.capture = { writer, interfaceNumber: writer.addInterface(port.name) }
    return () => {
      for (const port of ports) if (port.capture?.writer === writer) port.capture = undefined
    }
  }

  // What ports call.

  changed(port: SwitchPort): void {
    this.#list = [...this.#ports.values()]
    this.#mirrors = this.#list.some(({ settings }) => (settings.mirror ?? 'none') !== 'none')
    const { address } = port
    this.#assigned.forget(port.id)
    // One look-up serves all VLANs: which ones reach the port is its own rule.
    if (address !== undefined) this.#assigned.learn(address, 0, 0, port.id, 0)
  }

  removed(port: SwitchPort): void {
    this.#ports.delete(port.id)
    this.#assigned.forget(port.id)
    this.#learned.forget(port.id)
    this.#list = [...this.#ports.values()]
    this.#mirrors = this.#list.some(({ settings }) => (settings.mirror ?? 'none') !== 'none')
  }

  /** Tells every client that was given frames that the burst is over. */
  flush(): void {
    this.#time = -1
    const touched = this.#touched
    for (let i = 0; i < this.#touchedCount; i++) {
      const port = touched[i]
      touched[i] = undefined
      if (port === undefined) continue
      port.touched = false
      port.client.flush?.()
    }
    this.#touchedCount = 0
  }

  forward(source: SwitchPort, frame: SwitchFrame): void {
    const { counters } = source
    if (frame.length < LEAST_FRAME) return
    counters.framesIn++
    counters.bytesIn += frame.length
    if (source.capture !== undefined) this.#capture(source, CaptureDirection.inbound, frame)
    const vlan = source.vlan.ingress(frame.vlan)
    if (vlan === DROP) {
      counters.vlanDrops++
      return
    }
    frame.vlan = vlan
    if (!source.open && macKeyDiffers(frame, source)) {
      counters.spoofDrops++
      return
    }
    if (!source.keepsPriority) frame.priority = 0
    if (source.guarded && !this.#isAllowed(source, frame)) {
      counters.guardDrops++
      return
    }
    const { bytes, offset } = frame
    if (source.open && !isGroup(bytes, offset + SOURCE)) {
      this.#learned.learn(bytes, offset + SOURCE, vlan, source.id, this.#second())
    }
    const target = isGroup(bytes, offset) ? 0 : this.#find(bytes, offset, vlan)
    if (target === 0 && this.#isStorm(source)) {
      counters.stormDrops++
      return
    }
    if (target === 0) this.#flood(source, frame, isGroup(bytes, offset))
    else if (target !== source.id) this.#give(this.#ports.get(target), frame)
    if (this.#mirrors) this.#mirror(source, target, frame)
  }

  #isAllowed({ settings }: SwitchPort, { bytes, offset, length }: SwitchFrame): boolean {
    const headers = this.#headers
    headers.read(bytes, offset, offset + length)
    if (settings.dhcpGuard === true && isDhcpServerMessage(bytes, headers)) return false
    return settings.routerGuard !== true || !isRouterMessage(bytes, headers)
  }

  #find(bytes: Uint8Array, at: number, vlan: number): number {
    const assigned = this.#assigned.find(bytes, at, 0, 0)
    return assigned === 0 ? this.#learned.find(bytes, at, vlan, this.#second()) : assigned
  }

  /** The time in seconds, read once for each burst: reading a clock costs more than forwarding. */
  #second(): number {
    if (this.#time < 0) this.#time = this.clock.now() / 1000
    return this.#time
  }

  #flood(source: SwitchPort, frame: SwitchFrame, group: boolean): void {
    const list = this.#list
    for (let i = 0; i < list.length; i++) {
      const port = list[i]
      if (port !== undefined && port !== source && (group || port.open)) this.#give(port, frame)
    }
  }

  /** Hands a frame to a port in the form that its client takes. */
  #give(port: SwitchPort | undefined, frame: SwitchFrame): void {
    if (port === undefined) return
    this.#touch(port)
    if (port.capture !== undefined) this.#captureOut(port, frame)
    if (!frame.unfinished) {
      port.deliver(frame)
      return
    }
    const { takesChecksums, takesSegments } = port.client
    if (frame.segmentSize !== 0 && takesSegments < frame.length) {
      this.#receiver = port
      this.#finisher.finish(frame, this.#toReceiver, !takesChecksums)
    } else {
      if (!takesChecksums && frame.segmentSize === 0) finishChecksums(frame)
      port.deliver(frame)
    }
  }

  #touch(port: SwitchPort): void {
    if (port.touched) return
    port.touched = true
    this.#touched[this.#touchedCount++] = port
  }

  #captureOut(port: SwitchPort, frame: SwitchFrame): void {
    const vlan = frame.vlan
    const tag = port.vlan.egress(vlan)
    if (tag === DROP || !port.connected) return
    frame.vlan = tag
    this.#capture(port, CaptureDirection.outbound, frame)
    frame.vlan = vlan
  }

  /** The capture shows frames as they are on a wire: finished. */
  #capture(port: SwitchPort, direction: CaptureDirection, frame: SwitchFrame): void {
    this.#capturing.port = port
    this.#capturing.direction = direction
    this.#captureFinisher.finish(frame, this.#toCapture)
  }

  #mirror(source: SwitchPort, target: number, frame: SwitchFrame): void {
    const list = this.#list
    const sent = source.settings.mirror === 'source'
    const received = target === 0 ? false : this.#ports.get(target)?.settings.mirror === 'source'
    const flooded = target === 0 && list.some((port) => port !== source && port.settings.mirror === 'source')
    if (!sent && !received && !flooded) return
    for (const port of list) {
      if (port.settings.mirror !== 'destination' || port === source || port.id === target) continue
      if (target === 0 && isGroup(frame.bytes, frame.offset) && port.vlan.egress(frame.vlan) !== DROP) continue
      this.#touch(port)
      this.#finisher.finish(frame, (finished) => port.deliverTagged(finished, finished.vlan))
    }
  }

  #isStorm(source: SwitchPort): boolean {
    const limit = source.settings.stormLimit ?? 0
    if (limit === 0) return false
    const window = Math.floor(this.#second())
    if (source.stormWindow !== window) {
      source.stormWindow = window
      source.stormCount = 0
    }
    return ++source.stormCount > limit
  }
}

function macKeyDiffers({ bytes, offset }: SwitchFrame, source: SwitchPort): boolean {
  return macKey(bytes, offset + SOURCE) !== source.addressKey
}
