/** Command descriptor blocks. All integers are big-endian. Sources: SPC-4, SBC-3. */
import { at, layout, reserved, u8, u16be, u24be, u32be, u64be } from '../struct/index.ts'

/** READ(6), WRITE(6): the address has the low 21 bits of `lba`; a length of 0 means 256. */
export const cdb6 = layout('cdb6', { opcode: u8, lba: u24be, transfer_length: u8, control: u8 }, { size: 6 })
export const CDB6_LBA_MASK = 0x1f_ffff

/** READ, WRITE, VERIFY, SYNCHRONIZE CACHE, WRITE SAME and READ CAPACITY of 10 bytes. */
export const cdb10 = layout(
  'cdb10',
  { opcode: u8, flags: u8, lba: u32be, group: u8, transfer_length: u16be, control: u8 },
  { size: 10 },
)

export const cdb12 = layout(
  'cdb12',
  { opcode: u8, flags: u8, lba: u32be, transfer_length: u32be, group: u8, control: u8 },
  { size: 12 },
)

export const cdb16 = layout(
  'cdb16',
  { opcode: u8, flags: u8, lba: u64be, transfer_length: u32be, group: u8, control: u8 },
  { size: 16 },
)

/** Bits of byte 1 of READ and WRITE. */
export const CdbFlag = {
  RELATIVE_ADDRESS: 0x01,
  /** Force unit access. */
  FUA: 0x08,
  /** Disable page out. */
  DPO: 0x10,
  PROTECT: 0xe0,
} as const

/** Bits of byte 1 of WRITE SAME. */
export const WriteSameFlag = { NDOB: 0x01, UNMAP: 0x08, ANCHOR: 0x10 } as const

/** Bits of byte 1 of VERIFY and WRITE AND VERIFY. */
export const VERIFY_BYTCHK_SHIFT = 1
export const VERIFY_BYTCHK_MASK = 0x06
/** Byte 1 of SYNCHRONIZE CACHE and START STOP UNIT: answer before the work is done. */
export const CDB_IMMEDIATE = 0x01

export const inquiryCdb = layout(
  'inquiry_cdb',
  { opcode: u8, flags: u8, page_code: u8, allocation_length: u16be, control: u8 },
  { size: 6 },
)
/** Bits of byte 1 of INQUIRY. */
export const InquiryFlag = { EVPD: 0x01, CMDDT: 0x02 } as const

export const requestSenseCdb = layout(
  'request_sense_cdb',
  { opcode: u8, desc: u8, reserved: reserved(2), allocation_length: u8, control: u8 },
  { size: 6 },
)

export const startStopUnitCdb = layout(
  'start_stop_unit_cdb',
  { opcode: u8, immed: u8, reserved: reserved(1), power_condition_modifier: u8, flags: u8, control: u8 },
  { size: 6 },
)
/** Bits of byte 4 of START STOP UNIT. */
export const StartStopFlag = { START: 0x01, LOAD_EJECT: 0x02, NO_FLUSH: 0x04, POWER_CONDITION: 0xf0 } as const

/** `page` has the page control in bits 7:6 and the page code below. */
export const modeSense6Cdb = layout(
  'mode_sense_6_cdb',
  { opcode: u8, flags: u8, page: u8, subpage: u8, allocation_length: u8, control: u8 },
  { size: 6 },
)

export const modeSense10Cdb = layout(
  'mode_sense_10_cdb',
  { opcode: u8, flags: u8, page: u8, subpage: u8, reserved: reserved(3), allocation_length: u16be, control: u8 },
  { size: 10 },
)
/** Byte 1 of MODE SENSE: no block descriptors, please. */
export const MODE_SENSE_DBD = 0x08

export const modeSelect6Cdb = layout(
  'mode_select_6_cdb',
  { opcode: u8, flags: u8, reserved: reserved(2), parameter_list_length: u8, control: u8 },
  { size: 6 },
)

export const modeSelect10Cdb = layout(
  'mode_select_10_cdb',
  { opcode: u8, flags: u8, reserved: reserved(5), parameter_list_length: u16be, control: u8 },
  { size: 10 },
)
/** Bits of byte 1 of MODE SELECT. */
export const ModeSelectFlag = { SAVE_PAGES: 0x01, PAGE_FORMAT: 0x10 } as const

export const unmapCdb = layout(
  'unmap_cdb',
  { opcode: u8, anchor: u8, reserved: reserved(4), group: u8, parameter_list_length: u16be, control: u8 },
  { size: 10 },
)

export const persistentReserveInCdb = layout(
  'persistent_reserve_in_cdb',
  { opcode: u8, service_action: u8, allocation_length: at(7, u16be), control: u8 },
  { size: 10 },
)

/** `scope_type` has the scope in bits 7:4 and the type below. */
export const persistentReserveOutCdb = layout(
  'persistent_reserve_out_cdb',
  { opcode: u8, service_action: u8, scope_type: u8, parameter_list_length: at(5, u32be), control: u8 },
  { size: 10 },
)

export const serviceActionIn16Cdb = layout(
  'service_action_in_16_cdb',
  { opcode: u8, service_action: u8, lba: u64be, allocation_length: u32be, reserved: reserved(1), control: u8 },
  { size: 16 },
)

export const reportLunsCdb = layout(
  'report_luns_cdb',
  {
    opcode: u8,
    reserved1: reserved(1),
    select_report: u8,
    allocation_length: at(6, u32be),
    reserved2: reserved(1),
    control: u8,
  },
  { size: 12 },
)

export const reportSupportedOpcodesCdb = layout(
  'report_supported_operation_codes_cdb',
  {
    opcode: u8,
    service_action: u8,
    reporting_options: u8,
    requested_opcode: u8,
    requested_service_action: u16be,
    allocation_length: u32be,
    reserved: reserved(1),
    control: u8,
  },
  { size: 12 },
)
/** Byte 1 bits 4:0 of commands with service actions. */
export const SERVICE_ACTION_MASK = 0x1f
