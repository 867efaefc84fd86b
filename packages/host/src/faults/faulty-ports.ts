import type { Clock, GuestMemory, PortDelivery, SeededRandom, SynicPorts, SynicRoot } from '@bis/hyperv-types'
import type { FaultPlan } from './fault-plan.ts'

const MAX_PAYLOAD = 240
const DEFAULT_DELAY_MS = 50

interface Message {
  readonly vp: number
  readonly sint: number
  readonly type: number
  readonly payload: Uint8Array
}

/** Ports that lose, double, delay and spoil what the host sends through them. */
export class FaultyPorts implements SynicPorts {
  readonly memory: GuestMemory
  readonly processorCount: number
  readonly #ports: SynicPorts
  readonly #plan: FaultPlan
  readonly #random: SeededRandom
  readonly #clock: Clock
  readonly #delayed: Message[] = []
  #held = false

  constructor(ports: SynicPorts, plan: FaultPlan, random: SeededRandom, clock: Clock) {
    this.memory = ports.memory
    this.processorCount = ports.processorCount
    this.#ports = ports
    this.#plan = plan
    this.#random = random
    this.#clock = clock
  }

  referenceTime(): bigint | undefined {
    return this.#ports.referenceTime?.()
  }

  hasProcessor(vp: number): boolean {
    return this.#ports.hasProcessor?.(vp) ?? vp < this.processorCount
  }

  connect(root: SynicRoot): () => void {
    return this.#ports.connect(root)
  }

  postMessage(vp: number, sint: number, type: number, payload: Uint8Array): PortDelivery {
    const faults = this.#plan.messages ?? {}
    const random = this.#random
    if (random.happens(faults.lost)) return 'delivered'
    const sent = random.happens(faults.damaged) ? this.#damage(payload) : payload.slice()
    this.#deliver({ vp, sint, type, payload: sent })
    if (random.happens(faults.duplicated)) this.#deliver({ vp, sint, type, payload: sent })
    if (random.happens(faults.unsolicited)) this.#deliver({ vp, sint, type, payload: this.#noise() })
    if (random.happens(faults.delayed)) this.#hold()
    return 'delivered'
  }

  signalEvent(vp: number, sint: number, flag: number): PortDelivery {
    const faults = this.#plan.signals ?? {}
    const random = this.#random
    if (random.happens(faults.lost)) return 'delivered'
    const raise = () => this.#ports.signalEvent(vp, sint, flag)
    if (random.happens(faults.spurious)) this.#clock.after(this.#delay(), raise)
    if (!random.happens(faults.delayed)) return raise()
    this.#clock.after(this.#delay(), raise)
    return 'delivered'
  }

  #deliver(message: Message): void {
    if (this.#held) this.#delayed.push(message)
    else this.#ports.postMessage(message.vp, message.sint, message.type, message.payload)
  }

  #hold(): void {
    if (this.#held) return
    this.#held = true
    this.#clock.after(this.#delay(), () => {
      this.#held = false
      for (const { vp, sint, type, payload } of this.#delayed.splice(0))
        this.#ports.postMessage(vp, sint, type, payload)
    })
  }

  #delay(): number {
    return this.#random.below((this.#plan.delayMs ?? DEFAULT_DELAY_MS) + 1)
  }

  #damage(payload: Uint8Array): Uint8Array {
    if (this.#random.below(2) === 0) return payload.slice(0, this.#random.below(payload.length))
    const copy = payload.slice()
    const at = 4 + this.#random.below(Math.max(1, copy.length - 4))
    if (at < copy.length) copy[at] = this.#random.below(256)
    return copy
  }

  #noise(): Uint8Array {
    const noise = Uint8Array.from({ length: 4 + this.#random.below(MAX_PAYLOAD - 3) }, () => this.#random.below(256))
    new DataView(noise.buffer).setUint32(0, this.#random.below(32), true)
    return noise
  }
}
