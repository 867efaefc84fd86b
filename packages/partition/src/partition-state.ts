import type { Clock, CrashReport, GuestMemory } from '@bis/hyperv-types'
import { TSC_SEQUENCE_INVALID, tscPage } from '@bis/hyperv-types/hypervisor'
import { CrashRegisters } from './crash-registers.ts'
import type { ProcessorVendor } from './hypercall/hypercall-page.ts'
import { hypercallPage } from './hypercall/hypercall-page.ts'
import { OverlayPages } from './overlay-pages.ts'
import { PageRegister } from './page-register.ts'
import type { HostProfile } from './profiles/host-profile.ts'
import { ReferenceTime } from './reference-time.ts'

export interface PartitionStateOptions {
  readonly memory: GuestMemory
  readonly clock: Clock
  readonly profile: HostProfile
  readonly vendor: ProcessorVendor
  readonly tscFrequency: number
  readonly initialTsc: bigint
  readonly apicFrequency: number
  readonly crashed: (report: CrashReport) => void
  readonly resetRequested: () => void
}

/** What all processors of a partition share. */
export class PartitionState {
  readonly profile: HostProfile
  readonly time: ReferenceTime
  readonly overlays: OverlayPages
  readonly apicFrequency: number
  readonly crash: CrashRegisters
  readonly hypercallPage: PageRegister
  readonly referenceTscPage: PageRegister
  readonly requestReset: () => void
  guestOsId = 0n
  reenlightenment = 0n
  tscEmulation = 0n
  invariantTsc = false
  #tscSequence = TSC_SEQUENCE_INVALID

  constructor(options: PartitionStateOptions) {
    const { memory, clock, profile, vendor } = options
    this.profile = profile
    this.time = new ReferenceTime(clock, options.tscFrequency, options.initialTsc)
    this.apicFrequency = options.apicFrequency
    this.overlays = new OverlayPages(memory)
    this.crash = new CrashRegisters(memory, options.crashed)
    this.hypercallPage = new PageRegister('HYPERCALL', this.overlays, () => hypercallPage(vendor))
    this.referenceTscPage = new PageRegister('REFERENCE_TSC', this.overlays, () => this.#tscPage())
    this.requestReset = options.resetRequested
  }

  /** Goes on with another time stamp counter and says so in the reference TSC page. */
  migrateTsc(frequency: number, tsc: bigint): void {
    this.time.migrate(frequency, tsc)
    this.referenceTscPage.page?.set(this.#tscPage())
  }

  reset(): void {
    this.guestOsId = 0n
    this.reenlightenment = 0n
    this.tscEmulation = 0n
    this.invariantTsc = false
    this.hypercallPage.reset()
    this.referenceTscPage.reset()
    this.crash.reset()
    this.overlays.uncoverAll()
  }

  #tscPage(): Uint8Array {
    this.#tscSequence = nextSequence(this.#tscSequence)
    return tscPage.encode({
      tsc_sequence: this.#tscSequence,
      tsc_scale: this.time.scale,
      tsc_offset: this.time.offset,
    })
  }
}

/** The sequence after this one; the value that means "do not use" is left out. */
function nextSequence(sequence: number): number {
  return sequence >= 0xffff_ffff ? TSC_SEQUENCE_INVALID + 1 : sequence + 1
}
