import type { EthernetInterface } from '@bis/hyperv-types'
import { TransmitStatus } from '@bis/hyperv-types'
import { want } from './feature.ts'
import { frameOf } from './guest.ts'

const NUMBER_AT = 14

/** Sends numbered frames from one interface to another without a pause, and counts each where it arrives. */
export class Pump {
  sent = 0
  readonly #arrivals: number[] = []
  readonly #from: EthernetInterface
  readonly #to: Uint8Array
  readonly #bytes: number
  #run = true
  readonly #running: Promise<void>

  constructor(from: EthernetInterface, to: EthernetInterface, bytes = 60) {
    this.#from = from
    this.#to = to.settings.address.slice()
    this.#bytes = bytes
    const source = from.settings.address.slice()
    to.receive((frames, count) => {
      for (const { bytes: frame, view, offset } of frames.slice(0, count)) {
        if (source.every((byte, i) => byte === frame[offset + 6 + i])) this.#count(view.getUint32(offset + NUMBER_AT))
      }
    })
    this.#running = this.#pump()
  }

  get arrived(): number {
    return this.#arrivals.length
  }

  /** Stops, and waits until what was sent has arrived. @throws ProbeFailure with the number of frames lost or doubled */
  async stop(): Promise<number> {
    this.#run = false
    await this.#running
    const end = performance.now() + 5000
    while (this.arrived < this.sent && performance.now() < end) await turn()
    const lost = this.#arrivals.reduce((sum, times) => sum - (times > 0 ? 1 : 0), this.sent)
    const twice = this.#arrivals.filter((times) => times > 1).length
    want(lost === 0 && twice === 0, `of ${this.sent} frames ${lost} were lost, ${twice} came more than once`)
    return this.sent
  }

  #count(number: number): void {
    this.#arrivals[number] = (this.#arrivals[number] ?? 0) + 1
  }

  async #pump(): Promise<void> {
    while (this.#run) {
      for (let i = 0; i < 10 && this.#run; i++) {
        const frame = frameOf(this.#to, this.#from.settings.address, this.#bytes)
        new DataView(frame.buffer).setUint32(NUMBER_AT, this.sent)
        if (this.#from.transmit(frame, 0, frame.length) === TransmitStatus.sent) this.sent++
        // Between any two steps of what happens meanwhile.
        await undefined
      }
      await turn()
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
