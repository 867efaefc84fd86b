import type { CpuidResult } from '@bis/hyperv-types'
import {
  CPUID_HYPERVISOR_PRESENT,
  CpuidLeaf,
  Hint,
  HV_INTERFACE,
  HV_MAX_HIGHEST_LEAF,
  HV_MIN_HIGHEST_LEAF,
  HV_VENDOR,
  MiscFeature,
  Privilege,
  PrivilegeHigh,
} from '@bis/hyperv-types/hypervisor'

/** The hypervisor as its CPUID leaves describe it. */
export interface HypervisorFeatures {
  /** `10.0.20348 [SP0]`, as FreeBSD prints it. */
  readonly version: string
  readonly build: number
  /** Leaf 0x40000003: registers (EAX), hypercalls (EBX), miscellaneous (EDX). */
  readonly privileges: number
  readonly privilegesHigh: number
  readonly misc: number
  /** Leaf 0x40000004 EAX. */
  readonly hints: number
  /** The SINTs may end their interrupts by themselves; otherwise the guest writes EOI. */
  readonly autoEoi: boolean
  readonly referenceTsc: boolean
  readonly referenceCounter: boolean
  readonly syntheticTimers: boolean
  readonly crashRegisters: boolean
  /** CPUID says that the guest is isolated from the host (VBS, SNP). */
  readonly isolated: boolean
  /** A paravisor owns the SynIC pages. */
  readonly paravisor: boolean
}

export type Discovery =
  | { readonly usable: true; readonly features: HypervisorFeatures }
  /** One sentence: why this machine has no VMBus for us. */
  | { readonly usable: false; readonly reason: string }

/** Without these VMBus cannot work: each with the words for the reason. */
const REQUIRED: readonly (readonly [bit: number, name: string])[] = [
  [Privilege.HYPERCALL, 'the hypercall registers'],
  [Privilege.VP_INDEX, 'the VP index register'],
  [Privilege.SYNIC, 'the SynIC registers'],
]
const REQUIRED_HIGH: readonly (readonly [bit: number, name: string])[] = [
  [PrivilegeHigh.POST_MESSAGES, 'HvPostMessage'],
  [PrivilegeHigh.SIGNAL_EVENTS, 'HvSignalEvent'],
]

/**
 * Finds out from CPUID alone whether VMBus can be used; touches no register and makes no hypercall.
 * Source: Linux mshyperv.c (`ms_hyperv_platform`), FreeBSD hyperv.c (`hyperv_identify`).
 */
export function discover(cpuid: (leaf: number) => CpuidResult): Discovery {
  const present = cpuid(CpuidLeaf.FEATURES).ecx
  if ((present & CPUID_HYPERVISOR_PRESENT) === 0) return unusable('the processor reports no hypervisor')
  const vendor = cpuid(CpuidLeaf.VENDOR)
  if (vendor.ebx !== HV_VENDOR.ebx || vendor.ecx !== HV_VENDOR.ecx || vendor.edx !== HV_VENDOR.edx) {
    return unusable('the hypervisor is not Hyper-V')
  }
  if (vendor.eax < HV_MIN_HIGHEST_LEAF || vendor.eax > HV_MAX_HIGHEST_LEAF) {
    return unusable(
      `the hypervisor's highest CPUID leaf is ${hex(vendor.eax)}, ${hex(HV_MIN_HIGHEST_LEAF)} or more is needed`,
    )
  }
  if (cpuid(CpuidLeaf.INTERFACE).eax !== HV_INTERFACE) return unusable('the hypervisor lacks the Hv#1 interface')
  const { eax: privileges, ebx: privilegesHigh, edx: misc } = cpuid(CpuidLeaf.PRIVILEGES)
  const missing = [...lacking(REQUIRED, privileges), ...lacking(REQUIRED_HIGH, privilegesHigh)]
  if (missing.length > 0) return unusable(`missing ${missing.join(', ')}`)
  const hints = cpuid(CpuidLeaf.RECOMMENDATIONS).eax
  const has = (bit: number): boolean => (privileges & bit) !== 0
  const isolation = (privilegesHigh & PrivilegeHigh.ISOLATION) === 0 ? undefined : cpuid(CpuidLeaf.ISOLATION)
  const features: HypervisorFeatures = {
    ...describeVersion(cpuid(CpuidLeaf.VERSION)),
    privileges,
    privilegesHigh,
    misc,
    hints,
    autoEoi: (hints & Hint.DEPRECATE_AUTO_EOI) === 0,
    referenceTsc: has(Privilege.REFERENCE_TSC),
    referenceCounter: has(Privilege.TIME_REF_COUNT),
    syntheticTimers: has(Privilege.SYNTIMER) && has(Privilege.TIME_REF_COUNT),
    crashRegisters: (misc & MiscFeature.CRASH_MSRS) !== 0,
    isolated: isolation !== undefined && (isolation.ebx & 0xf) !== 0,
    paravisor: isolation !== undefined && (isolation.eax & 1) !== 0,
  }
  return { usable: true, features }
}

function describeVersion({ eax, ebx, ecx }: CpuidResult): { version: string; build: number } {
  return { version: `${ebx >>> 16}.${ebx & 0xffff}.${eax} [SP${ecx}]`, build: eax }
}

function lacking(required: typeof REQUIRED, bits: number): string[] {
  return required.filter(([bit]) => (bits & bit) === 0).map(([, name]) => name)
}

function unusable(reason: string): Discovery {
  return { usable: false, reason: `not usable: ${reason}` }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
