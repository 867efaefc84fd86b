/**
 * Synthetic model-specific registers.
 * Sources: arch/x86/include/asm/hyperv-tlfs.h, FreeBSD hyperv_reg.h, OpenVMM hvdef and hv1_emulator.
 */
import { register } from '../struct/index.ts'

export const Msr = {
  GUEST_OS_ID: 0x4000_0000,
  HYPERCALL: 0x4000_0001,
  VP_INDEX: 0x4000_0002,
  RESET: 0x4000_0003,
  /** 100 ns units. */
  VP_RUNTIME: 0x4000_0010,
  /** 100 ns units since the partition was made, the same on all processors. */
  TIME_REF_COUNT: 0x4000_0020,
  REFERENCE_TSC: 0x4000_0021,
  /** Hz. */
  TSC_FREQUENCY: 0x4000_0022,
  /** Hz. */
  APIC_FREQUENCY: 0x4000_0023,
  EOI: 0x4000_0070,
  ICR: 0x4000_0071,
  TPR: 0x4000_0072,
  VP_ASSIST_PAGE: 0x4000_0073,
  SCONTROL: 0x4000_0080,
  SVERSION: 0x4000_0081,
  SIEFP: 0x4000_0082,
  SIMP: 0x4000_0083,
  EOM: 0x4000_0084,
  SINT0: 0x4000_0090,
  STIMER0_CONFIG: 0x4000_00b0,
  STIMER0_COUNT: 0x4000_00b1,
  GUEST_IDLE: 0x4000_00f0,
  CRASH_P0: 0x4000_0100,
  CRASH_P1: 0x4000_0101,
  CRASH_P2: 0x4000_0102,
  CRASH_P3: 0x4000_0103,
  CRASH_P4: 0x4000_0104,
  CRASH_CTL: 0x4000_0105,
  REENLIGHTENMENT_CONTROL: 0x4000_0106,
  TSC_EMULATION_CONTROL: 0x4000_0107,
  TSC_EMULATION_STATUS: 0x4000_0108,
  TSC_INVARIANT_CONTROL: 0x4000_0118,
} as const

export const SINT_COUNT = 16
export const STIMER_COUNT = 4

/** Register of SINT n, 0 to 15. */
export function sintMsr(sint: number): number {
  return Msr.SINT0 + sint
}

/** Configuration register of synthetic timer n, 0 to 3. */
export function stimerConfigMsr(timer: number): number {
  return Msr.STIMER0_CONFIG + 2 * timer
}

/** Count register of synthetic timer n, 0 to 3. */
export function stimerCountMsr(timer: number): number {
  return Msr.STIMER0_COUNT + 2 * timer
}

/** HYPERCALL. `locked`: every further write raises #GP. */
export const hypercallMsr = register('hv_x64_msr_hypercall_contents', {
  enable: 0,
  locked: 1,
  /** Page number of the hypercall page. */
  guest_physical_address: [12, 52],
})

/** REFERENCE_TSC. */
export const referenceTscMsr = register('hv_reference_tsc_msr', { enable: 0, pfn: [12, 52] })

/** VP_ASSIST_PAGE. */
export const vpAssistMsr = register('hv_vp_assist_msr_contents', { enable: 0, pfn: [12, 52] })

export const scontrolMsr = register('hv_synic_scontrol', { enable: 0 })
/** SVERSION always reads this. */
export const SYNIC_VERSION = 1n
export const siefpMsr = register('hv_synic_siefp', { siefp_enabled: 0, base_siefp_gpa: [12, 52] })
export const simpMsr = register('hv_synic_simp', { simp_enabled: 0, base_simp_gpa: [12, 52] })

/** SINTn. The vector is 16 or above; after reset a SINT is masked. */
export const sintRegister = register('hv_synic_sint', {
  vector: [0, 8],
  masked: 16,
  auto_eoi: 17,
  /** Set the flag or fill the slot, but raise no interrupt. */
  polling: 18,
  /** Of the paravisor. */
  proxy: 20,
})

/** STIMERn CONFIG. */
export const stimerConfig = register('hv_stimer_config', {
  enable: 0,
  periodic: 1,
  lazy: 2,
  auto_enable: 3,
  apic_vector: [4, 8],
  /** Raise `apic_vector` instead of sending a message. */
  direct_mode: 12,
  sintx: [16, 4],
})

/** CRASH_CTL; a write commits the report. Reading says what the host supports. */
export const crashControl = register('hv_crash_ctl', {
  pre_os_id: [58, 3],
  no_crash_dump: 61,
  /** P3 is the address and P4 the length of a text. */
  crash_message: 62,
  crash_notify: 63,
})

export const reenlightenmentControl = register('hv_reenlightenment_control', {
  vector: [0, 8],
  enabled: 16,
  target_vp: [32, 32],
})
export const tscEmulationControl = register('hv_tsc_emulation_control', { enabled: 0 })
export const tscEmulationStatus = register('hv_tsc_emulation_status', { inprogress: 0 })
