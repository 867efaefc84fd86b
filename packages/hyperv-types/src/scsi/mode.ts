/** Mode parameters. Sources: SPC-4, SBC-3. */
import { layout, reserved, u8, u16be } from '../struct/index.ts'

/** `mode_data_length` counts the bytes behind it. */
export const modeHeader6 = layout(
  'mode_parameter_header_6',
  { mode_data_length: u8, medium_type: u8, device_specific: u8, block_descriptor_length: u8 },
  { size: 4 },
)

export const modeHeader10 = layout(
  'mode_parameter_header_10',
  {
    mode_data_length: u16be,
    medium_type: u8,
    device_specific: u8,
    long_lba: u8,
    reserved: reserved(1),
    block_descriptor_length: u16be,
  },
  { size: 8 },
)

/** Bits of `device_specific` of a disk. */
export const DeviceSpecific = { WRITE_PROTECTED: 0x80, DPOFUA: 0x10 } as const

export const ModePage = { CACHING: 0x08, CONTROL: 0x0a, INFORMATIONAL_EXCEPTIONS: 0x1c, ALL: 0x3f } as const
/** Page control, bits 7:6 of the CDB's page byte. */
export const PageControl = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const

/** Caching page in the 12-byte form that Hyper-V sends. */
export const cachingPage = layout(
  'caching_mode_page',
  { page_code: u8, page_length: u8, flags: u8, reserved: reserved(9) },
  { size: 12 },
)
/** Bits of `flags` of the caching page. */
export const CachingFlag = { WRITE_CACHE_ENABLE: 0x04, READ_CACHE_DISABLE: 0x01 } as const
