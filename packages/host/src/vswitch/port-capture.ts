import { Finisher } from './finisher.ts'
import type { CaptureSink } from './pcapng.ts'
import { CaptureDirection, PcapngWriter } from './pcapng.ts'
import type { SwitchFrame } from './switch-frame.ts'
import type { SwitchPort } from './switch-port.ts'
import { DROP } from './vlan.ts'

/** Writes what passes some ports to capture files, as frames are on a wire: finished. */
export class PortCapture {
  readonly #finisher = new Finisher()
  #port: SwitchPort | undefined
  #direction: CaptureDirection = CaptureDirection.inbound
  readonly #toFile = (frame: SwitchFrame): void => this.#port?.note(this.#direction, frame)

  /** Every port is an interface of its own. @returns how to stop */
  start(ports: readonly SwitchPort[], sink: CaptureSink): () => void {
    const writer = new PcapngWriter(sink)
    for (const port of ports) port.capture = { writer, interfaceNumber: writer.addInterface(port.name) }
    return () => {
      for (const port of ports) if (port.capture?.writer === writer) port.capture = undefined
    }
  }

  /** A frame that comes into the switch. */
  inbound(port: SwitchPort, frame: SwitchFrame): void {
    this.#write(port, CaptureDirection.inbound, frame)
  }

  /** A frame that leaves the switch, with the tag that the port shows; nothing when the port does not let it out. */
  outbound(port: SwitchPort, frame: SwitchFrame): void {
    const { vlan } = frame
    const tag = port.vlan.egress(vlan)
    if (tag === DROP || !port.connected) return
    frame.vlan = tag
    this.#write(port, CaptureDirection.outbound, frame)
    frame.vlan = vlan
  }

  #write(port: SwitchPort, direction: CaptureDirection, frame: SwitchFrame): void {
    this.#port = port
    this.#direction = direction
    this.#finisher.finish(frame, this.#toFile)
  }
}
