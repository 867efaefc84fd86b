import { isGroup } from '@bis/hyperv-types/ethernet'
import type { Handover } from './handover.ts'
import type { SwitchFrame } from './switch-frame.ts'
import type { SwitchPort } from './switch-port.ts'
import { DROP } from './vlan.ts'

/** Shows the frames of some ports, which are mirrored, to others. */
export class Mirrors {
  readonly #handover: Handover
  #ports: readonly SwitchPort[] = []
  /** Some port is mirrored, or sees what is. */
  active = false

  constructor(handover: Handover) {
    this.#handover = handover
  }

  /** These are the switch's ports, with these settings, from now on. */
  review(ports: readonly SwitchPort[]): void {
    this.#ports = ports
    this.active = ports.some(({ settings }) => (settings.mirror ?? 'none') !== 'none')
  }

  /** @param target undefined when the frame went to all */
  mirror(source: SwitchPort, target: SwitchPort | undefined, flooded: boolean, frame: SwitchFrame): void {
    if (!isMirrored(source) && !(flooded ? this.#reachesMirrored(source) : isMirrored(target))) return
    const group = flooded && isGroup(frame.bytes, frame.offset)
    for (const port of this.#ports) {
      if (port.settings.mirror !== 'destination' || port === source || port === target) continue
      // It had the frame anyway.
      if (group && port.vlan.egress(frame.vlan) !== DROP) continue
      this.#handover.giveMirrored(port, frame)
    }
  }

  #reachesMirrored(source: SwitchPort): boolean {
    return this.#ports.some((port) => port !== source && isMirrored(port))
  }
}

function isMirrored(port: SwitchPort | undefined): boolean {
  return port?.settings.mirror === 'source'
}
