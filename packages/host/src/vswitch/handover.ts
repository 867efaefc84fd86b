import type { Burst } from './burst.ts'
import { Finisher, finishChecksums } from './finisher.ts'
import type { PortCapture } from './port-capture.ts'
import type { SwitchFrame } from './switch-frame.ts'
import type { SwitchPort } from './switch-port.ts'

/** Hands frames to ports in the form that their clients take. */
export class Handover {
  readonly #burst: Burst
  readonly #capture: PortCapture
  readonly #finisher = new Finisher()
  #receiver: SwitchPort | undefined
  readonly #toReceiver = (frame: SwitchFrame): void => this.#receiver?.deliver(frame)
  readonly #toMirror = (frame: SwitchFrame): void => this.#receiver?.deliverTagged(frame, frame.vlan)

  constructor(burst: Burst, capture: PortCapture) {
    this.#burst = burst
    this.#capture = capture
  }

  give(port: SwitchPort, frame: SwitchFrame): void {
    this.#burst.touch(port)
    if (port.capture !== undefined) this.#capture.outbound(port, frame)
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

  /** Gives a port a frame that is not for it: finished, and with the tag that it has in the switch. */
  giveMirrored(port: SwitchPort, frame: SwitchFrame): void {
    this.#burst.touch(port)
    this.#receiver = port
    this.#finisher.finish(frame, this.#toMirror)
  }
}
