import { Hint, MiscFeature, Privilege, PrivilegeHigh } from '@bis/hyperv-types/hypervisor'

/** A bit set for each of the four feature registers. */
export interface FeatureBits {
  /** CPUID 0x40000003 EAX: `Privilege`. */
  readonly privileges?: number
  /** CPUID 0x40000003 EBX: `PrivilegeHigh`. */
  readonly privilegesHigh?: number
  /** CPUID 0x40000003 EDX: `MiscFeature`. */
  readonly misc?: number
  /** CPUID 0x40000004 EAX: `Hint`. */
  readonly hints?: number
}

/**
 * What this hypervisor does. A release reports more; a bit that is not here is withheld from the guest, because it would
 * promise something that is not there:
 * - registers and hypercalls of the debugger, of VSM and of processor start, statistics, NPIEP, time-unhalted timers;
 * - hypercall parameters in XMM registers, which the `Hypervisor` interface does not have;
 * - nested virtualisation (`NESTED`, `ENLIGHTENED_VMCS`), NUMA distances, synthetic machine checks, PAT and BNDCFGS
 *   access by hypercall, remapping, waking of processors, and bits whose meaning is not public.
 */
export const IMPLEMENTED: Required<FeatureBits> = {
  privileges:
    Privilege.VP_RUNTIME |
    Privilege.TIME_REF_COUNT |
    Privilege.SYNIC |
    Privilege.SYNTIMER |
    Privilege.APIC |
    Privilege.HYPERCALL |
    Privilege.VP_INDEX |
    Privilege.RESET |
    Privilege.REFERENCE_TSC |
    Privilege.GUEST_IDLE |
    Privilege.FREQUENCY |
    Privilege.REENLIGHTENMENT |
    Privilege.TSC_INVARIANT,
  privilegesHigh:
    PrivilegeHigh.POST_MESSAGES |
    PrivilegeHigh.SIGNAL_EVENTS |
    PrivilegeHigh.EXTENDED_GVA_RANGES |
    PrivilegeHigh.EXTENDED_HYPERCALLS,
  misc:
    MiscFeature.GUEST_IDLE |
    MiscFeature.FREQUENCY_MSRS |
    MiscFeature.CRASH_MSRS |
    MiscFeature.EXTENDED_GVA_FLUSH_LIST |
    MiscFeature.SINT_POLLING |
    MiscFeature.HYPERCALL_MSR_LOCK |
    MiscFeature.DIRECT_SYNTHETIC_TIMERS,
  hints:
    Hint.HYPERCALL_FOR_LOCAL_FLUSH |
    Hint.HYPERCALL_FOR_REMOTE_FLUSH |
    Hint.APIC_MSRS |
    Hint.RESET_MSR |
    Hint.RELAXED_TIMING |
    Hint.DEPRECATE_AUTO_EOI |
    Hint.CLUSTER_IPI |
    Hint.EX_PROCESSOR_MASKS |
    Hint.DIRECT_LOCAL_FLUSH_ENTIRE |
    Hint.NO_NONARCHITECTURAL_CORE_SHARING |
    Hint.X2APIC |
    Hint.RESTORE_TIME_ON_RESUME,
}
