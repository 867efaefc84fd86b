/** Pages that the hypervisor shares with the guest. Sources: arch/x86/include/asm/hyperv-tlfs.h, OpenVMM hvdef. */
import { array, at, bits, i64big, layout, reserved, u8, u32, u64, u64big } from '../struct/index.ts'

/**
 * Reference time without an exit: ((tsc × scale) >> 64) + offset, in 100 ns. A sequence of 0 means: read the
 * TIME_REF_COUNT register instead; a sequence that changed while reading means: read again.
 */
export const tscPage = layout(
  'ms_hyperv_tsc_page',
  { tsc_sequence: u32, reserved1: reserved(4), tsc_scale: u64big, tsc_offset: i64big },
  { size: 24 },
)

/** `tsc_sequence` while the page must not be used. */
export const TSC_SEQUENCE_INVALID = 0

/** `directhypercall`: a nested hypervisor's guest may reach the outer one. */
export const nestedControl = layout(
  'hv_nested_enlightenments_control',
  { features: bits(4, { directhypercall: 0 }), hypercallControls: reserved(4) },
  { size: 8 },
)

/** VP assist page. Bit 0 of `apic_assist`: the next end of interrupt needs no EOI write. */
export const vpAssistPage = layout(
  'hv_vp_assist_page',
  {
    apic_assist: u32,
    reserved1: reserved(4),
    vtl_control: array(u64big, 3),
    nested_control: nestedControl,
    enlighten_vmentry: u8,
    reserved2: reserved(7),
    current_nested_vmcs: at(48, u64),
  },
  { size: 56 },
)
