import type { CpuidResult } from '@bis/hyperv-types'
import { CPUID_HYPERVISOR_PRESENT, CpuidLeaf } from '@bis/hyperv-types/hypervisor'
import type { ProcessorVendor } from './hypercall/hypercall-page.ts'
import type { HostProfile } from './profiles/host-profile.ts'

const BASIC_LEAVES = 0
const EXTENDED_LEAVES = 0x8000_0000
const POWER_MANAGEMENT = 0x8000_0007
const INVARIANT_TSC = 1 << 8

const X2APIC = 1 << 21
/** TSC, model-specific registers, PAE, APIC. */
const BASIC_FEATURES = (1 << 4) | (1 << 5) | (1 << 6) | (1 << 9)

const VENDORS: Readonly<Record<ProcessorVendor, { ebx: number; ecx: number; edx: number }>> = {
  intel: { ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69 },
  amd: { ebx: 0x6874_7541, ecx: 0x444d_4163, edx: 0x6974_6e65 },
}

const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 }

export interface CpuidSource {
  readonly profile: HostProfile
  readonly vendor: ProcessorVendor
  /** Whether the processor says that a hypervisor is there. */
  readonly hypervisorPresent: boolean
  /** Whether the guest has asked to see the invariant TSC. */
  readonly invariantTsc: boolean
}

/** The CPUID instruction. A leaf that does not exist reads as zero. */
export function cpuid(source: CpuidSource, leaf: number): CpuidResult {
  switch (leaf) {
    case BASIC_LEAVES:
      return { eax: CpuidLeaf.FEATURES, ...VENDORS[source.vendor] }
    case CpuidLeaf.FEATURES: {
      const present = source.hypervisorPresent ? CPUID_HYPERVISOR_PRESENT : 0
      return { eax: 0, ebx: 0, ecx: present + X2APIC, edx: BASIC_FEATURES }
    }
    case EXTENDED_LEAVES:
      return { ...NOTHING, eax: POWER_MANAGEMENT }
    case POWER_MANAGEMENT:
      return { ...NOTHING, edx: source.invariantTsc ? INVARIANT_TSC : 0 }
    default:
      return (source.hypervisorPresent ? source.profile.leaves.get(leaf) : undefined) ?? NOTHING
  }
}
