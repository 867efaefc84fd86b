/** READ CAPACITY, REPORT LUNS, UNMAP and GET LBA STATUS data. Sources: SBC-3, SPC-4. */
import { layout, reserved, rest, u8, u16be, u32be, u64be } from '../struct/index.ts'

/** READ CAPACITY(10): a last address of 0xFFFFFFFF sends the reader to the 16-byte form. */
export const readCapacity10 = layout('read_capacity_10', { last_lba: u32be, block_length: u32be }, { size: 8 })

export const readCapacity16 = layout(
  'read_capacity_16',
  {
    last_lba: u64be,
    block_length: u32be,
    protection: u8,
    /** Bits 3:0: logical blocks of a physical one, as a power of two. */
    exponents: u8,
    /** Lowest aligned address in bits 13:0, and the two bits of `ProvisioningBit`. */
    provisioning: u16be,
    reserved: reserved(16),
  },
  { size: 32 },
)
/** Bits of `provisioning`. */
export const ProvisioningBit = { LBPME: 0x8000, LBPRZ: 0x4000 } as const

/** One entry of REPORT LUNS in the single-level form: the LUN in the first two bytes. */
export const lunEntry = layout('lun_entry', { lun: u16be, reserved: reserved(6) }, { size: 8 })

/** `lun_list_length` counts bytes, 8 for each LUN. */
export const reportLuns = layout(
  'report_luns',
  { lun_list_length: u32be, reserved: reserved(4), luns: rest(lunEntry) },
  { size: 8 },
)

export const unmapBlockDescriptor = layout(
  'unmap_block_descriptor',
  { lba: u64be, count: u32be, reserved: reserved(4) },
  { size: 16 },
)

export const unmapParameterList = layout(
  'unmap_parameter_list',
  {
    /** Bytes behind this field. */
    data_length: u16be,
    block_descriptor_data_length: u16be,
    reserved: reserved(4),
    descriptors: rest(unmapBlockDescriptor),
  },
  { size: 8 },
)

export const lbaStatusDescriptor = layout(
  'lba_status_descriptor',
  { lba: u64be, count: u32be, provisioning_status: u8, reserved: reserved(3) },
  { size: 16 },
)
export const LbaProvisioningStatus = { MAPPED: 0, DEALLOCATED: 1, ANCHORED: 2 } as const

export const getLbaStatus = layout(
  'get_lba_status',
  { parameter_data_length: u32be, reserved: reserved(4), descriptors: rest(lbaStatusDescriptor) },
  { size: 8 },
)
