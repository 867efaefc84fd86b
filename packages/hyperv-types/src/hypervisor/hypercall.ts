/**
 * Hypercalls: codes, the control word, input parameters.
 * Sources: include/asm-generic/hyperv-tlfs.h, arch/x86/include/asm/hyperv-tlfs.h, OpenVMM hvdef and hv1_hypercall.
 */
import { bits, bytes, layout, reserved, rest, u16, u32, u64, u64big } from '../struct/index.ts'

export const HypercallCode = {
  FLUSH_VIRTUAL_ADDRESS_SPACE: 0x0002,
  FLUSH_VIRTUAL_ADDRESS_LIST: 0x0003,
  NOTIFY_LONG_SPIN_WAIT: 0x0008,
  SEND_SYNTHETIC_CLUSTER_IPI: 0x000b,
  FLUSH_VIRTUAL_ADDRESS_SPACE_EX: 0x0013,
  FLUSH_VIRTUAL_ADDRESS_LIST_EX: 0x0014,
  SEND_SYNTHETIC_CLUSTER_IPI_EX: 0x0015,
  GET_PARTITION_ID: 0x0046,
  GET_VP_REGISTERS: 0x0050,
  SET_VP_REGISTERS: 0x0051,
  POST_MESSAGE: 0x005c,
  SIGNAL_EVENT: 0x005d,
  RETARGET_DEVICE_INTERRUPT: 0x007e,
  FLUSH_GUEST_PHYSICAL_ADDRESS_SPACE: 0x00af,
  FLUSH_GUEST_PHYSICAL_ADDRESS_LIST: 0x00b0,
  SIGNAL_EVENT_DIRECT: 0x00c0,
  POST_MESSAGE_DIRECT: 0x00c1,
  MODIFY_SPARSE_GPA_PAGE_HOST_VISIBILITY: 0x00db,
  EXT_QUERY_CAPABILITIES: 0x8001,
} as const
export type HypercallCode = (typeof HypercallCode)[keyof typeof HypercallCode]

/** Low word of the control value: code in 15:0, fast in 16, header size in 26:17, nested in 31. */
export const HYPERCALL_CODE_MASK = 0xffff
export const HYPERCALL_FAST = 0x1_0000

/** The control value, and in bits 31:0 the part that simple calls need. Rep fields are for calls on lists. */
export const hypercallControl = layout(
  'hv_hypercall_control',
  {
    word: bits(8, {
      code: [0, 16],
      fast: 16,
      /** In units of 8 bytes. */
      variable_header_size: [17, 10],
      nested: 31,
      rep_count: [32, 12],
      rep_start_index: [48, 12],
    }),
  },
  { size: 8 },
)

/** Input and output blocks are aligned to this and cross no page. */
export const HYPERCALL_ALIGNMENT = 8
/** Bytes that the two register parameters of a fast call carry. */
export const HYPERCALL_FAST_BYTES = 16

/** Most bytes of one message. */
export const HV_MESSAGE_PAYLOAD_BYTES = 240
/** Connection ids have 24 bits. */
export const HV_CONNECTION_ID_MASK = 0xff_ffff

/** HvPostMessage; slow only. The call may change the block, so a guest fills it anew before it tries again. */
export const postMessageInput = layout(
  'hv_input_post_message',
  {
    connectionid: u32,
    reserved: reserved(4),
    message_type: u32,
    payload_size: u32,
    payload: bytes(HV_MESSAGE_PAYLOAD_BYTES),
  },
  { size: 256 },
)

/** HvSignalEvent; 8 bytes, so it can be fast. */
export const signalEventInput = layout(
  'hv_input_signal_event',
  { connectionid: u32, flag_number: u16, reserved: reserved(2) },
  { size: 8 },
)

/** Flush flags. */
export const FlushFlag = {
  ALL_PROCESSORS: 1,
  ALL_VIRTUAL_ADDRESS_SPACES: 2,
  NON_GLOBAL_MAPPINGS_ONLY: 4,
  USE_EXTENDED_RANGE_FORMAT: 8,
} as const

/** FlushVirtualAddressSpace and List; bits 11:0 of an address count pages that follow it. */
export const tlbFlush = layout(
  'hv_tlb_flush',
  { address_space: u64big, flags: u64, processor_mask: u64big, gva_list: rest(u64big) },
  { size: 24 },
)

/** A set of processors, 64 to a bank. */
export const vpSet = layout(
  'hv_vpset',
  { format: u64, valid_bank_mask: u64big, bank_contents: rest(u64big) },
  { size: 16 },
)
export const VpSetFormat = { SPARSE_4K: 0, ALL: 1 } as const

/** FlushVirtualAddressSpaceEx and ListEx: banks, then addresses. */
export const tlbFlushEx = layout(
  'hv_tlb_flush_ex',
  { address_space: u64big, flags: u64, hv_vp_set: vpSet },
  { size: 32 },
)

/** SendSyntheticClusterIpi, for processors 0 to 63. */
export const sendIpi = layout('hv_send_ipi', { vector: u32, reserved: reserved(4), cpu_mask: u64big }, { size: 16 })

export const sendIpiEx = layout('hv_send_ipi_ex', { vector: u32, reserved: reserved(4), vp_set: vpSet }, { size: 24 })

/** What an unlocked hypercall page holds: `vmcall; ret` on Intel, `vmmcall; ret` on AMD. */
export const HYPERCALL_PAGE_INTEL = Uint8Array.of(0x0f, 0x01, 0xc1, 0xc3)
export const HYPERCALL_PAGE_AMD = Uint8Array.of(0x0f, 0x01, 0xd9, 0xc3)
