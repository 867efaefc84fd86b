/**
 * CPUID as a guest of Hyper-V sees it.
 * Sources: arch/x86/include/asm/hyperv-tlfs.h, FreeBSD hyperv_reg.h, OpenVMM hvdef.
 */

export const CpuidLeaf = {
  /** ECX bit 31: a hypervisor is present. */
  FEATURES: 0x1,
  /** EAX highest leaf, EBX ECX EDX the vendor. */
  VENDOR: 0x4000_0000,
  /** EAX `Hv#1`. */
  INTERFACE: 0x4000_0001,
  /** EAX build, EBX major << 16 | minor, ECX service pack, EDX branch << 24 | service number. */
  VERSION: 0x4000_0002,
  /** EAX and EBX privileges, ECX power management, EDX features. */
  PRIVILEGES: 0x4000_0003,
  /** EAX hints, EBX spins before a long spin wait is reported, ECX physical address bits. */
  RECOMMENDATIONS: 0x4000_0004,
  /** EAX virtual processors at most, EBX logical processors at most, ECX interrupt vectors for remapping. */
  LIMITS: 0x4000_0005,
  HARDWARE_FEATURES: 0x4000_0006,
  CPU_MANAGEMENT: 0x4000_0007,
  NESTED_FEATURES: 0x4000_000a,
  /** Meaningful only with the ISOLATION privilege. */
  ISOLATION: 0x4000_000c,
  STACK_VENDOR: 0x4000_0080,
  STACK_INTERFACE: 0x4000_0081,
  STACK_PROPERTIES: 0x4000_0082,
} as const

/** CpuidLeaf.FEATURES ECX. */
export const CPUID_HYPERVISOR_PRESENT = 0x8000_0000

/** EBX, ECX and EDX of CpuidLeaf.VENDOR: `Microsoft Hv`. */
export const HV_VENDOR = { ebx: 0x7263_694d, ecx: 0x666f_736f, edx: 0x7648_2074 } as const
/** EAX of CpuidLeaf.INTERFACE: `Hv#1`. */
export const HV_INTERFACE = 0x3123_7648
/** EAX of CpuidLeaf.STACK_INTERFACE: `VS#1`. */
export const HV_STACK_INTERFACE = 0x3123_5356
/** Highest leaf that a guest accepts as Hyper-V's: from LIMITS to the end of the range. */
export const HV_MIN_HIGHEST_LEAF = CpuidLeaf.LIMITS
export const HV_MAX_HIGHEST_LEAF = 0x4000_ffff

/** CpuidLeaf.PRIVILEGES EAX: registers that the partition may use. */
export const Privilege = {
  VP_RUNTIME: 1 << 0,
  TIME_REF_COUNT: 1 << 1,
  SYNIC: 1 << 2,
  SYNTIMER: 1 << 3,
  APIC: 1 << 4,
  HYPERCALL: 1 << 5,
  VP_INDEX: 1 << 6,
  RESET: 1 << 7,
  STATISTICS: 1 << 8,
  REFERENCE_TSC: 1 << 9,
  GUEST_IDLE: 1 << 10,
  FREQUENCY: 1 << 11,
  DEBUG: 1 << 12,
  REENLIGHTENMENT: 1 << 13,
  ROOT_SCHEDULER: 1 << 14,
  TSC_INVARIANT: 1 << 15,
} as const

/** CpuidLeaf.PRIVILEGES EBX: hypercalls that the partition may make. */
export const PrivilegeHigh = {
  CREATE_PARTITIONS: 1 << 0,
  ACCESS_PARTITION_ID: 1 << 1,
  ACCESS_MEMORY_POOL: 1 << 2,
  ADJUST_MESSAGE_BUFFERS: 1 << 3,
  POST_MESSAGES: 1 << 4,
  SIGNAL_EVENTS: 1 << 5,
  CREATE_PORT: 1 << 6,
  CONNECT_PORT: 1 << 7,
  ACCESS_STATISTICS: 1 << 8,
  DEBUGGING: 1 << 11,
  CPU_MANAGEMENT: 1 << 12,
  CONFIGURE_PROFILER: 1 << 13,
  VP_EXIT_TRACING: 1 << 14,
  EXTENDED_GVA_RANGES: 1 << 15,
  ACCESS_VSM: 1 << 16,
  ACCESS_VP_REGISTERS: 1 << 17,
  FAST_HYPERCALL_OUTPUT: 1 << 19,
  EXTENDED_HYPERCALLS: 1 << 20,
  START_VIRTUAL_PROCESSOR: 1 << 21,
  ISOLATION: 1 << 22,
} as const

/** CpuidLeaf.PRIVILEGES EDX. */
export const MiscFeature = {
  MWAIT: 1 << 0,
  GUEST_DEBUGGING: 1 << 1,
  PERFORMANCE_MONITOR: 1 << 2,
  CPU_DYNAMIC_PARTITIONING: 1 << 3,
  XMM_FAST_INPUT: 1 << 4,
  GUEST_IDLE: 1 << 5,
  HYPERVISOR_SLEEP: 1 << 6,
  NUMA_DISTANCE: 1 << 7,
  FREQUENCY_MSRS: 1 << 8,
  SYNTHETIC_MACHINE_CHECK: 1 << 9,
  CRASH_MSRS: 1 << 10,
  DEBUG_MSRS: 1 << 11,
  NPIEP: 1 << 12,
  DISABLE_HYPERVISOR: 1 << 13,
  EXTENDED_GVA_FLUSH_LIST: 1 << 14,
  XMM_FAST_OUTPUT: 1 << 15,
  SVM_FEATURES: 1 << 16,
  SINT_POLLING: 1 << 17,
  HYPERCALL_MSR_LOCK: 1 << 18,
  DIRECT_SYNTHETIC_TIMERS: 1 << 19,
  PAT_REGISTER: 1 << 20,
  BNDCFGS_REGISTER: 1 << 21,
  WATCHDOG: 1 << 22,
  TIME_UNHALTED_TIMER: 1 << 23,
} as const

/** CpuidLeaf.RECOMMENDATIONS EAX. */
export const Hint = {
  HYPERCALL_FOR_ADDRESS_SWITCH: 1 << 0,
  HYPERCALL_FOR_LOCAL_FLUSH: 1 << 1,
  HYPERCALL_FOR_REMOTE_FLUSH: 1 << 2,
  APIC_MSRS: 1 << 3,
  RESET_MSR: 1 << 4,
  RELAXED_TIMING: 1 << 5,
  DMA_REMAPPING: 1 << 6,
  INTERRUPT_REMAPPING: 1 << 7,
  X2APIC_MSRS: 1 << 8,
  /** Do not set auto-EOI in a SINT. */
  DEPRECATE_AUTO_EOI: 1 << 9,
  CLUSTER_IPI: 1 << 10,
  EX_PROCESSOR_MASKS: 1 << 11,
  NESTED: 1 << 12,
  INT_FOR_MBEC: 1 << 13,
  ENLIGHTENED_VMCS: 1 << 14,
  SYNCED_TIMELINE: 1 << 15,
  DIRECT_LOCAL_FLUSH_ENTIRE: 1 << 17,
  NO_NONARCHITECTURAL_CORE_SHARING: 1 << 18,
  X2APIC: 1 << 19,
  RESTORE_TIME_ON_RESUME: 1 << 20,
  HYPERCALL_MMIO: 1 << 21,
  GPA_PINNING: 1 << 22,
  WAKE_VPS: 1 << 23,
} as const

/** CpuidLeaf.HARDWARE_FEATURES EAX. */
export const HardwareFeature = {
  APIC_OVERLAY_ASSIST: 1 << 0,
  MSR_BITMAPS: 1 << 1,
  PERFORMANCE_COUNTERS: 1 << 2,
  SECOND_LEVEL_TRANSLATION: 1 << 3,
  DMA_REMAPPING: 1 << 4,
  INTERRUPT_REMAPPING: 1 << 5,
  PATROL_SCRUBBER: 1 << 6,
  DMA_PROTECTION: 1 << 7,
  HPET_REQUESTED: 1 << 8,
  VOLATILE_SYNTHETIC_TIMERS: 1 << 9,
} as const

/** CpuidLeaf.ISOLATION EBX bits 3:0. */
export const IsolationType = { NONE: 0, VBS: 1, SNP: 2 } as const
