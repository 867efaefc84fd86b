import type { Clock, Timer } from '@bis/hyperv-types'
import { HypervisorFault } from '@bis/hyperv-types'
import { SynicMessageType, stimerConfig, timerMessage } from '@bis/hyperv-types/hypervisor'
import type { InterruptController } from './interrupt-controller.ts'
import { FIRST_VECTOR } from './interrupt-controller.ts'
import type { ReferenceTime } from './reference-time.ts'
import type { PendingMessage } from './synic/message-queue.ts'
import type { Synic } from './synic/synic.ts'

const ENABLE = stimerConfig.encode({ enable: 1 })
const DIRECT_BITS = stimerConfig.encode({ direct_mode: 1, apic_vector: 0xff })

export interface TimerParts {
  readonly clock: Clock
  readonly time: ReferenceTime
  readonly synic: Synic
  readonly interrupts: InterruptController
  /** Whether the partition has direct mode. */
  readonly directMode: boolean
}

/**
 * A synthetic timer of a virtual processor. A one-shot timer expires when the reference time reaches its count, a
 * periodic one every count; periods missed are skipped, whether the timer is lazy or not. A timer owns one message: while
 * that waits for its slot, further expiries add nothing but the newer expiration time.
 */
export class SyntheticTimer {
  readonly #parts: TimerParts
  readonly #payload = new Uint8Array(timerMessage.size)
  readonly #view = new DataView(this.#payload.buffer)
  readonly #message: PendingMessage = {
    type: SynicMessageType.TIMER_EXPIRED,
    payload: this.#payload,
    beforeDelivery: () => {
      this.#waiting = false
      timerMessage.delivery_time.setBigInt(this.#view, 0, this.#parts.time.now())
    },
  }
  #config = 0n
  #count = 0n
  #expiration = 0n
  #armed: Timer | undefined
  /** The SINT whose queue the message was put in is `#waitingSint`. */
  #waiting = false
  #waitingSint = 0

  constructor(index: number, parts: TimerParts) {
    this.#parts = parts
    timerMessage.timer_index.set(this.#view, 0, index)
  }

  get config(): bigint {
    return this.#config
  }

  get count(): bigint {
    return this.#count
  }

  /** @throws HypervisorFault when reserved bits are set, or direct mode where there is none. */
  set config(value: bigint) {
    const known = this.#parts.directMode ? stimerConfig.mask : stimerConfig.mask & ~DIRECT_BITS
    if ((value & ~known) !== 0n) {
      throw new HypervisorFault('general-protection', `STIMER CONFIG: 0x${value.toString(16)} has reserved bits`)
    }
    this.#stop()
    // SINT 0 belongs to the hypervisor: a timer that would send its messages there is not enabled.
    const { direct_mode, sintx } = stimerConfig.decode(value)
    this.#config = direct_mode === 1 || sintx !== 0 ? value : value & ~ENABLE
    this.#start()
  }

  /** Zero disables the timer; anything else starts it when it is enabled or has auto-enable. */
  set count(value: bigint) {
    this.#stop()
    this.#count = value
    if (value === 0n) this.#config &= ~ENABLE
    else if (stimerConfig.decode(this.#config).auto_enable === 1) this.#config |= ENABLE
    this.#start()
  }

  /** Waits anew after the partition's time changed its pace. */
  restart(): void {
    if (this.#armed === undefined) return
    this.#armed.cancel()
    this.#arm()
  }

  reset(): void {
    this.#stop()
    this.#config = 0n
    this.#count = 0n
  }

  #start(): void {
    if ((this.#config & ENABLE) === 0n || this.#count === 0n) return
    this.#expiration = this.#isPeriodic() ? this.#parts.time.now() + this.#count : this.#count
    this.#arm()
  }

  #stop(): void {
    this.#armed?.cancel()
    this.#armed = undefined
    if (!this.#waiting) return
    this.#waiting = false
    this.#parts.synic.withdraw(this.#waitingSint, this.#message)
  }

  #arm(): void {
    const { clock, time } = this.#parts
    this.#armed = clock.after(time.millisecondsUntil(this.#expiration), () => this.#wake())
  }

  #wake(): void {
    this.#armed = undefined
    const now = this.#parts.time.now()
    if (now < this.#expiration) {
      this.#arm()
      return
    }
    const expired = this.#expiration
    if (this.#isPeriodic()) {
      this.#expiration += ((now - expired) / this.#count + 1n) * this.#count
      this.#arm()
    } else {
      this.#config &= ~ENABLE
    }
    this.#signal(expired)
  }

  #signal(expired: bigint): void {
    const { synic, interrupts } = this.#parts
    const { direct_mode, apic_vector, sintx } = stimerConfig.decode(this.#config)
    if (direct_mode === 1) {
      if (apic_vector >= FIRST_VECTOR) interrupts.request(apic_vector, false)
      return
    }
    timerMessage.expiration_time.setBigInt(this.#view, 0, expired)
    if (this.#waiting) return
    this.#waiting = true
    this.#waitingSint = sintx
    if (synic.post(this.#waitingSint, this.#message) === 'full') this.#waiting = false
  }

  #isPeriodic(): boolean {
    return stimerConfig.decode(this.#config).periodic === 1
  }
}
