import type { Clock, Timer } from '@bis/hyperv-types'
import type { CapturedFrame } from './capture-reader.ts'
import { readCapture } from './capture-reader.ts'
import type { PortSettings } from './port-settings.ts'
import { SwitchFrame } from './switch-frame.ts'
import type { PortClient, SwitchPort } from './switch-port.ts'
import type { VirtualSwitch } from './virtual-switch.ts'
import { WireFrameReader } from './wire-frame.ts'

/** Frames sent at once when there are no pauses to keep; then others have their turn. */
const BURST = 64

export interface ReplayOptions {
  readonly switch: VirtualSwitch
  readonly name: string
  /** Opens the capture from its beginning: pcapng or pcap. */
  readonly open: () => AsyncIterable<Uint8Array>
  /** How many times faster than it was captured; 0 for without pauses. Default 1. */
  readonly speed?: number
  /** Only the frames of that direction. Default all. */
  readonly only?: 'in' | 'out'
  /** Begins again at the end. */
  readonly loop?: boolean
  readonly port?: PortSettings
}

/** An external port of a switch that sends what a capture file holds, in the rhythm of the capture, and takes nothing. */
export class ReplayPort implements PortClient {
  readonly takesChecksums = true
  readonly takesSegments = Number.POSITIVE_INFINITY
  readonly port: SwitchPort
  /** Frames sent so far. */
  sent = 0
  readonly #options: ReplayOptions
  readonly #clock: Clock
  readonly #frame = new SwitchFrame()
  readonly #reader = new WireFrameReader()
  #stopped = false
  #timer: Timer | undefined
  #wake: () => void = () => {}

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#clock = options.switch.clock
    this.port = options.switch.addPort({ name: options.name, kind: 'external', ...options.port }, this)
  }

  deliver(): void {}

  /** Sends the capture; resolves at its end, or when it was stopped. @throws HostError `bad-capture`, or the file's error */
  async play(): Promise<void> {
    do {
      await this.#playOnce()
      // A file without frames must not keep everything busy.
      await this.#pause(0)
    } while (this.#options.loop === true && !this.#stopped)
  }

  /** Takes the port off the switch. */
  remove(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#wake()
    this.port.remove()
  }

  async #playOnce(): Promise<void> {
    const { open, speed = 1, only } = this.#options
    const start = this.#clock.now()
    let first: number | undefined
    let burst = 0
    for await (const frame of readCapture(open())) {
      if (only !== undefined && frame.direction !== only) continue
      first ??= frame.time
      const wait = speed === 0 ? 0 : start + (frame.time - first) / speed - this.#clock.now()
      if (wait >= 1 || ++burst >= BURST) {
        this.port.flush()
        burst = 0
        await this.#pause(Math.max(0, wait))
      }
      if (this.#stopped) return
      this.#send(frame)
    }
    this.port.flush()
  }

  #send({ bytes }: CapturedFrame): void {
    const frame = this.#frame
    if (!this.#reader.read(frame, bytes, 0, bytes.length)) return
    this.port.send(frame)
    this.sent++
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (this.#stopped) resolve()
      else if (milliseconds === 0) this.#clock.later(resolve)
      else this.#timer = this.#clock.after(milliseconds, resolve)
    })
  }
}
