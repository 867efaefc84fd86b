import type { AddressRange, Clock, CrashReport, Firmware, GuestMemory } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { PartitionError } from './errors.ts'
import type { FirmwareOptions } from './firmware.ts'
import { firmwareFor } from './firmware.ts'
import type { ProcessorVendor } from './hypercall/hypercall-page.ts'
import type { FeatureSwitches, HostProfile } from './profiles/host-profile.ts'
import { hostProfile } from './profiles/host-profile.ts'
import type { HostReleaseName } from './profiles/releases.ts'

export interface PartitionOptions extends FirmwareOptions {
  readonly memory: GuestMemory
  /** Virtual processors; default 1. */
  readonly processorCount?: number
  /**
   * VP index of each processor, all different; default 0, 1, 2, … Hyper-V promises neither their order nor that there
   * are no holes, so tests give others.
   */
  readonly vpIndices?: readonly number[]
  /** The release whose hypervisor this is; default `2025`. */
  readonly release?: HostReleaseName
  /** Single enlightenments off, or on where the release does not report them. */
  readonly features?: FeatureSwitches
  /** Whether CPUID shows a hypervisor at all; default true. */
  readonly hypervisorPresent?: boolean
  readonly vendor?: ProcessorVendor
  /** Ticks of the TSC per second; default 2,904,000,000. */
  readonly tscFrequency?: number
  /** What the TSC shows when the partition begins; default 0. */
  readonly initialTsc?: bigint
  /** Ticks of the APIC timer per second; default 200,000,000, as on every host seen. */
  readonly apicFrequency?: number
  readonly clock?: Clock
  /** The guest wrote the RESET register; called after the partition was reset, outside the guest's call. */
  readonly onReset?: () => void
  /** The guest committed a crash report (HV_X64_MSR_CRASH_CTL); the root is told, too, where it can be. */
  readonly onCrash?: (report: CrashReport) => void
}

/** Options with every default in place, checked. */
export interface ResolvedOptions {
  readonly memory: GuestMemory
  readonly vpIndices: readonly number[]
  readonly profile: HostProfile
  readonly firmware: Firmware
  readonly hypervisorPresent: boolean
  readonly vendor: ProcessorVendor
  readonly tscFrequency: number
  readonly initialTsc: bigint
  readonly apicFrequency: number
  readonly clock: Clock
  readonly onReset: () => void
  readonly onCrash: (report: CrashReport) => void
}

const DEFAULT_TSC_FREQUENCY = 2_904_000_000
const DEFAULT_APIC_FREQUENCY = 200_000_000
const MAX_VP_INDEX = 0xffff

/** @throws PartitionError `invalid-option`. */
export function resolveOptions(options: PartitionOptions): ResolvedOptions {
  const profile = hostProfile(options.release ?? '2025', options.features)
  const processorCount = options.processorCount ?? options.vpIndices?.length ?? 1
  const vpIndices = options.vpIndices ?? Array.from({ length: processorCount }, (_, cpu) => cpu)
  checkProcessors(processorCount, vpIndices, profile)
  const firmware = firmwareFor(options)
  checkMmio(options.memory, firmware.vmbus?.mmio ?? [])
  return {
    memory: options.memory,
    vpIndices,
    profile,
    firmware,
    hypervisorPresent: options.hypervisorPresent ?? true,
    vendor: options.vendor ?? 'intel',
    tscFrequency: checkFrequency('tscFrequency', options.tscFrequency ?? DEFAULT_TSC_FREQUENCY),
    initialTsc: options.initialTsc ?? 0n,
    apicFrequency: checkFrequency('apicFrequency', options.apicFrequency ?? DEFAULT_APIC_FREQUENCY),
    clock: options.clock ?? systemClock,
    onReset: options.onReset ?? (() => {}),
    onCrash: options.onCrash ?? (() => {}),
  }
}

function checkProcessors(count: number, vpIndices: readonly number[], profile: HostProfile): void {
  const most = profile.maxVirtualProcessors
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new PartitionError('invalid-option', `${count} processors; ${profile.title} takes 1 to ${most}`)
  }
  const valid = vpIndices.every((index) => Number.isInteger(index) && index >= 0 && index <= MAX_VP_INDEX)
  if (vpIndices.length !== count || new Set(vpIndices).size !== count || !valid) {
    throw new PartitionError('invalid-option', `VP indices [${vpIndices.join()}] for ${count} processors`)
  }
}

function checkFrequency(name: string, hertz: number): number {
  if (!Number.isSafeInteger(hertz) || hertz < 1_000_000) {
    throw new PartitionError('invalid-option', `${name} ${hertz} Hz; whole numbers from 1,000,000 on`)
  }
  return hertz
}

function checkMmio(memory: GuestMemory, windows: readonly AddressRange[]): void {
  for (const { base, size } of windows) {
    const region = memory.regions.find(({ gpa, byteLength }) => gpa < base + size && base < gpa + byteLength)
    if (region === undefined) continue
    const text = `MMIO window 0x${base.toString(16)} of ${size} bytes overlaps memory at 0x${region.gpa.toString(16)}`
    throw new PartitionError('invalid-option', text)
  }
}
