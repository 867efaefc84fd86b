import type { Clock, SynicPorts, VspDevice } from '@bis/hyperv-types'
import { SeededRandom } from '@bis/hyperv-types'
import type { FaultPlan } from './fault-plan.ts'
import type { FaultyDeviceHost } from './faulty-device.ts'
import { FaultyDevice } from './faulty-device.ts'
import { FaultyPorts } from './faulty-ports.ts'
import { damageRing } from './ring-damage.ts'

/** A plan at work on one server. */
export class Faults {
  readonly #plan: FaultPlan
  readonly #random: SeededRandom

  constructor(plan: FaultPlan) {
    this.#plan = plan
    this.#random = new SeededRandom(plan.seed)
  }

  ports(ports: SynicPorts, clock: Clock): SynicPorts {
    return new FaultyPorts(ports, this.#plan, this.#random, clock)
  }

  device(device: VspDevice, host: FaultyDeviceHost): VspDevice {
    return new FaultyDevice(device, this.#plan, this.#random, host)
  }

  /** Set when channel ids are to be given out in no order. */
  get chooseChannelId(): ((limit: number) => number) | undefined {
    return this.#plan.shuffledChannelIds === true ? (limit) => this.#random.below(limit) : undefined
  }

  /** Called before a signal for a ring in one piece. */
  beforeSignal(hostToGuest: Uint8Array): void {
    if (this.#random.happens(this.#plan.ringsDamaged)) damageRing(hostToGuest, this.#random)
  }
}
