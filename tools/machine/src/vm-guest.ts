import type { CpuidResult, Kernel } from '@bis/hyperv-types'
import {
  CPUID_HYPERVISOR_PRESENT,
  CpuidLeaf,
  HV_MAX_HIGHEST_LEAF,
  HV_MIN_HIGHEST_LEAF,
  HV_VENDOR,
} from '@bis/hyperv-types/hypervisor'

/** What a kernel finds out about its machine from CPUID. Source: FreeBSD identify_hypervisor(), hyperv_identify(). */
export function vmGuest(cpuid: (leaf: number) => CpuidResult): NonNullable<Kernel['vmGuest']> {
  if ((cpuid(CpuidLeaf.FEATURES).ecx & CPUID_HYPERVISOR_PRESENT) === 0) return 'none'
  const { eax, ebx, ecx, edx } = cpuid(CpuidLeaf.VENDOR)
  const signed = ebx === HV_VENDOR.ebx && ecx === HV_VENDOR.ecx && edx === HV_VENDOR.edx
  return signed && eax >= HV_MIN_HIGHEST_LEAF && eax <= HV_MAX_HIGHEST_LEAF ? 'hv' : 'generic'
}
