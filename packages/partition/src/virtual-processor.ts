import type { Clock } from '@bis/hyperv-types'
import { STIMER_COUNT } from '@bis/hyperv-types/hypervisor'
import { InterruptController } from './interrupt-controller.ts'
import type { OverlayPages } from './overlay-pages.ts'
import { PageRegister } from './page-register.ts'
import type { ReferenceTime } from './reference-time.ts'
import { Synic } from './synic/synic.ts'
import { SyntheticTimer } from './synthetic-timer.ts'

export interface VirtualProcessorParts {
  readonly clock: Clock
  readonly time: ReferenceTime
  readonly overlays: OverlayPages
  readonly directMode: boolean
}

/** What one virtual processor has of its own. */
export class VirtualProcessor {
  /** The guest's number for it, from 0. */
  readonly cpu: number
  /** The hypervisor's number for it. */
  readonly index: number
  readonly interrupts: InterruptController
  readonly synic: Synic
  readonly timers: readonly SyntheticTimer[]
  readonly assistPage: PageRegister
  /** The last value written to the interrupt command register. */
  interruptCommand = 0n

  constructor(cpu: number, index: number, parts: VirtualProcessorParts) {
    const { clock, time, overlays, directMode } = parts
    this.cpu = cpu
    this.index = index
    this.interrupts = new InterruptController(clock)
    this.synic = new Synic(this.interrupts, overlays)
    const { synic, interrupts } = this
    this.timers = Array.from(
      { length: STIMER_COUNT },
      (_, timer) => new SyntheticTimer(timer, { clock, time, synic, interrupts, directMode }),
    )
    this.assistPage = new PageRegister('VP_ASSIST_PAGE', overlays)
  }

  reset(): void {
    for (const timer of this.timers) timer.reset()
    this.synic.reset()
    this.assistPage.reset()
    this.interrupts.reset()
    this.interruptCommand = 0n
  }
}
