import type { Clock } from '@bis/hyperv-types'
import { isGroup } from '@bis/hyperv-types/ethernet'
import { HostError } from '../errors.ts'
import { Addresses } from './addresses.ts'
import { Burst } from './burst.ts'
import { Guards } from './guards.ts'
import { Handover } from './handover.ts'
import { Mirrors } from './mirrors.ts'
import type { CaptureSink } from './pcapng.ts'
import { PortCapture } from './port-capture.ts'
import type { PortOptions } from './port-settings.ts'
import type { SwitchFrame } from './switch-frame.ts'
import type { PortClient, PortHost } from './switch-port.ts'
import { SOURCE, SwitchPort } from './switch-port.ts'
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

const LEAST_FRAME = 14

/**
 * A layer 2 switch between guests, the host and outside networks. A guest's address is assigned with its port, not
 * learned; addresses outside are learned. Frames are handed on during the call that brings them.
 */
export class VirtualSwitch implements PortHost {
  readonly clock: Clock
  readonly kind: SwitchKind
  readonly #byId = new Map<number, SwitchPort>()
  /** The same ports, for loops that allocate nothing. */
  #ports: readonly SwitchPort[] = []
  readonly #addresses: Addresses
  readonly #guards = new Guards()
  readonly #capture = new PortCapture()
  readonly #burst: Burst
  readonly #handover: Handover
  readonly #mirrors: Mirrors
  #nextId = 1

  constructor(options: VirtualSwitchOptions) {
    this.clock = options.clock
    this.kind = options.kind ?? 'external'
    this.#burst = new Burst(options.clock)
    this.#addresses = new Addresses(this.#burst)
    this.#handover = new Handover(this.#burst, this.#capture)
    this.#mirrors = new Mirrors(this.#handover)
  }

  get ports(): readonly SwitchPort[] {
    return this.#ports
  }

  /** @throws HostError `bad-offer` for an address that another port has, or a kind of port that this switch has not */
  addPort(options: PortOptions, client: PortClient): SwitchPort {
    const allowed =
      options.kind === 'vm' || this.kind === 'external' || (this.kind === 'internal' && options.kind === 'host')
    if (!allowed) throw new HostError('bad-offer', `a ${this.kind} switch has no ${options.kind} ports`)
    const port = new SwitchPort(this, this.#nextId++, options, client)
    const twin = this.#ports.find(({ addressKey }) => addressKey >= 0 && addressKey === port.addressKey)
    if (twin !== undefined) {
      throw new HostError('bad-offer', `ports ${twin.name} and ${port.name} have the same address`)
    }
    this.#byId.set(port.id, port)
    this.changed(port)
    return port
  }

  /** Writes what passes some ports to a capture file; every port is an interface of its own. @returns how to stop */
  capture(ports: readonly SwitchPort[], sink: CaptureSink): () => void {
    return this.#capture.start(ports, sink)
  }

  // What ports call.

  seconds(): number {
    return this.#burst.seconds()
  }

  changed(port: SwitchPort): void {
    this.#addresses.assign(port)
    this.#review()
  }

  removed(port: SwitchPort): void {
    this.#byId.delete(port.id)
    this.#addresses.forget(port.id)
    this.#review()
  }

  /** Tells every client that was given frames that the burst is over. */
  flush(): void {
    this.#burst.end()
  }

  forward(source: SwitchPort, frame: SwitchFrame): void {
    const { counters } = source
    if (frame.length < LEAST_FRAME) return
    counters.framesIn++
    counters.bytesIn += frame.length
    if (source.capture !== undefined) this.#capture.inbound(source, frame)
    const vlan = source.vlan.ingress(frame.vlan)
    if (vlan === DROP) {
      counters.vlanDrops++
      return
    }
    frame.vlan = vlan
    if (source.isSpoofed(frame)) {
      counters.spoofDrops++
      return
    }
    if (!source.keepsPriority) frame.priority = 0
    if (source.guarded && !this.#guards.allow(source.settings, frame)) {
      counters.guardDrops++
      return
    }
    const { bytes, offset } = frame
    if (source.open && !isGroup(bytes, offset + SOURCE)) {
      this.#addresses.learn(bytes, offset + SOURCE, vlan, source.id)
    }
    const group = isGroup(bytes, offset)
    const target = group ? 0 : this.#addresses.find(bytes, offset, vlan)
    if (target === 0 && source.isStorm()) {
      counters.stormDrops++
      return
    }
    const port = target === 0 ? undefined : this.#byId.get(target)
    if (target === 0) this.#flood(source, frame, group)
    else if (port !== undefined && port !== source) this.#handover.give(port, frame)
    if (this.#mirrors.active) this.#mirrors.mirror(source, port, target === 0, frame)
  }

  #flood(source: SwitchPort, frame: SwitchFrame, group: boolean): void {
    const ports = this.#ports
    for (let i = 0; i < ports.length; i++) {
      const port = ports[i]
      if (port !== undefined && port !== source && (group || port.open)) this.#handover.give(port, frame)
    }
  }

  #review(): void {
    this.#ports = [...this.#byId.values()]
    this.#mirrors.review(this.#ports)
  }
}
