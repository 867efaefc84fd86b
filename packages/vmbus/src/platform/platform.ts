import type { Hypervisor, PageAllocator } from '@bis/hyperv-types'
import { CrashReport } from './crash-report.ts'
import type { HypervisorFeatures } from './discovery.ts'
import { HypercallPage } from './hypercall-page.ts'
import { ReferenceTime } from './reference-time.ts'
import type { SynicEvents } from './synic.ts'
import { ProcessorSynic } from './synic.ts'

export interface PlatformOptions {
  readonly hypervisor: Hypervisor
  readonly pages: PageAllocator
  readonly features: HypervisorFeatures
  /** `__FreeBSD_version`. */
  readonly osReleaseDate: number
  readonly events: PlatformEvents
}

export interface PlatformEvents extends SynicEvents {
  /** A non-maskable interrupt; hosts before 2016 send it to every processor. */
  onNmi(cpu: number): void
}

const NMI_VECTOR = 2

/** Everything of the hypervisor that the bus has switched on: undone in reverse order, whole or after a failure half-way. */
export class Platform {
  readonly hypercalls: HypercallPage
  readonly time: ReferenceTime
  readonly #hypervisor: Hypervisor
  #crashReport: CrashReport | undefined
  readonly #synics: ProcessorSynic[] = []

  /** @throws VmbusError `not-usable`, MemoryError `exhausted`, HypervisorFault; nothing is left switched on then */
  constructor({ hypervisor, pages, features, osReleaseDate, events }: PlatformOptions) {
    this.#hypervisor = hypervisor
    this.hypercalls = HypercallPage.enable(hypervisor, pages, osReleaseDate)
    this.time = new ReferenceTime(hypervisor, pages)
    try {
      if (features.crashRegisters) this.#crashReport = new CrashReport(hypervisor, pages)
      for (let cpu = 0; cpu < hypervisor.processorCount; cpu++) {
        hypervisor.setVector(cpu, NMI_VECTOR, () => events.onNmi(cpu))
      }
      if (features.referenceTsc) this.time.enableTscPage()
      const synic = { hypervisor, pages, events, autoEoi: features.autoEoi, hostOwnedPages: features.paravisor }
      for (let cpu = 0; cpu < hypervisor.processorCount; cpu++) this.#synics.push(ProcessorSynic.enable(synic, cpu))
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** VP index of a processor: what goes into messages, which need not be its number. */
  vpIndex(cpu: number): number {
    return this.#synics[cpu]?.vpIndex ?? 0
  }

  /** Guest-physical address of a processor's VMBus event flags; undefined for a processor that is not there. */
  eventFlagsGpa(cpu: number): number | undefined {
    return this.#synics[cpu]?.eventFlagsGpa
  }

  /** Scans event flags up to this one from now on, on every processor. */
  useEventFlag(flag: number): void {
    for (const { flags } of this.#synics) flags.use(flag)
  }

  /** Looks into every processor's message slot: for when interrupts are no longer taken. */
  pollMessages(): void {
    for (const synic of this.#synics) synic.poll()
  }

  /** Leaves a message in the crash registers. @returns false when the hypervisor has none */
  reportCrash(message: string): boolean {
    this.#crashReport?.commit(message)
    return this.#crashReport !== undefined
  }

  /** SynIC of every processor, TSC page, hypercall page and guest OS id. Source: FreeBSD, Linux `hyperv_cleanup`. */
  stop(lostProcessors: readonly number[] = []): void {
    for (const synic of this.#synics.splice(0).reverse()) synic.disable(lostProcessors.includes(synic.cpu))
    for (let cpu = 0; cpu < this.#hypervisor.processorCount; cpu++)
      this.#hypervisor.setVector(cpu, NMI_VECTOR, undefined)
    this.#crashReport?.free()
    this.#crashReport = undefined
    this.time.disable()
    this.hypercalls.disable()
  }
}
