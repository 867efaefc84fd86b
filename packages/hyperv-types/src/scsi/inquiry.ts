/** INQUIRY data and vital product data pages. Sources: SPC-4, SBC-3, OpenVMM scsidisk inquiry.rs. */
import { ascii, at, bytes, guid, layout, reserved, rest, restBytes, u8, u16be, u32be, u64be } from '../struct/index.ts'

/** The first 36 bytes of standard INQUIRY data. */
export const inquiryData = layout(
  'inquiry_data',
  {
    /** Qualifier in bits 7:5, device type in 4:0. */
    peripheral: u8,
    /** 0x80: removable. */
    removable: u8,
    /** 4 SPC-2, 5 SPC-3, 6 SPC-4. */
    version: u8,
    response_data_format: u8,
    /** Bytes behind this one. */
    additional_length: u8,
    flags5: u8,
    flags6: u8,
    /** 0x02: commands are queued. */
    flags7: u8,
    vendor: ascii(8),
    product: ascii(16),
    revision: ascii(4),
  },
  { size: 36 },
)

export const PeripheralType = { DIRECT_ACCESS: 0x00, CD_DVD: 0x05, UNKNOWN: 0x1f } as const
/** `peripheral` of a LUN that does not exist. */
export const PERIPHERAL_ABSENT = 0x7f
export const INQUIRY_REMOVABLE = 0x80
export const INQUIRY_COMMAND_QUEUING = 0x02
export const ScsiVersion = { NONE: 0, SPC_2: 4, SPC_3: 5, SPC_4: 6 } as const
/** What Hyper-V's disks and drives are called. */
export const HYPERV_VENDOR = 'Msft'
export const HYPERV_DISK_PRODUCT = 'Virtual Disk'
export const HYPERV_DVD_PRODUCT = 'Virtual DVD-ROM'
export const HYPERV_REVISION = '1.0'

export const VpdPage = {
  SUPPORTED_PAGES: 0x00,
  UNIT_SERIAL_NUMBER: 0x80,
  DEVICE_IDENTIFICATION: 0x83,
  THIRD_PARTY_COPY: 0x8f,
  BLOCK_LIMITS: 0xb0,
  BLOCK_DEVICE_CHARACTERISTICS: 0xb1,
  LOGICAL_BLOCK_PROVISIONING: 0xb2,
  /** Microsoft's own. */
  MSFT_VENDOR: 0xce,
  MSFT_SIGNATURE: 0xcf,
} as const

/** In front of every page; `page_length` counts what follows it. */
export const vpdHeader = layout('vpd_header', { peripheral: u8, page_code: u8, page_length: u16be }, { size: 4 })

/** Page 00: page codes in ascending order. */
export const vpdSupportedPages = layout('vpd_supported_pages', { header: vpdHeader, pages: rest(u8) }, { size: 4 })

/** Page 80. */
export const vpdSerialNumber = layout('vpd_unit_serial_number', { header: vpdHeader, serial: restBytes }, { size: 4 })

/** In front of each designator of page 83. */
export const vpdDesignatorHeader = layout(
  'vpd_designator_header',
  {
    /** 1 binary, 2 ASCII, 3 UTF-8. */
    code_set: u8,
    /** Association in bits 5:4 (0: the LUN), type in 3:0. */
    designator_type: u8,
    reserved: reserved(1),
    designator_length: u8,
  },
  { size: 4 },
)
export const DesignatorType = { VENDOR_SPECIFIC: 0, T10_VENDOR_ID: 1, EUI_64: 2, NAA: 3 } as const

/** Page 83 as Hyper-V fills it: T10 vendor id with the disk's id, and a NAA 6 name made from it. */
export const hypervDeviceIdentification = layout(
  'hyperv_device_identification',
  {
    header: vpdHeader,
    t10_designator: vpdDesignatorHeader,
    t10_vendor: ascii(8),
    disk_id: bytes(16),
    naa_designator: vpdDesignatorHeader,
    /** 60 02 24 80, then bytes 0 to 5 and 10 to 15 of the disk id. */
    naa: bytes(16),
  },
  { size: 52 },
)
/** First bytes of Hyper-V's NAA names: NAA 6, Microsoft's OUI. */
export const HYPERV_NAA_PREFIX = Uint8Array.of(0x60, 0x02, 0x24, 0x80)

/** Page B0. Lengths in blocks. */
export const vpdBlockLimits = layout(
  'vpd_block_limits',
  {
    header: vpdHeader,
    flags: u8,
    maximum_compare_and_write_length: u8,
    optimal_transfer_length_granularity: u16be,
    maximum_transfer_length: u32be,
    optimal_transfer_length: u32be,
    maximum_prefetch_length: u32be,
    maximum_unmap_lba_count: u32be,
    maximum_unmap_block_descriptor_count: u32be,
    optimal_unmap_granularity: u32be,
    /** Bit 31: the alignment is valid. */
    unmap_granularity_alignment: u32be,
    maximum_write_same_length: u64be,
    reserved: reserved(20),
  },
  { size: 64 },
)
export const UNMAP_GRANULARITY_ALIGNMENT_VALID = 0x8000_0000

/** Page B1. A rotation rate of 1: no moving parts. */
export const vpdBlockDeviceCharacteristics = layout(
  'vpd_block_device_characteristics',
  { header: vpdHeader, medium_rotation_rate: u16be, product_type: u8, form_factor: u8, reserved: reserved(56) },
  { size: 64 },
)
export const ROTATION_RATE_NON_ROTATING = 1

/** Page B2. */
export const vpdLogicalBlockProvisioning = layout(
  'vpd_logical_block_provisioning',
  { header: vpdHeader, threshold_exponent: u8, flags: u8, provisioning_type: u8, reserved: reserved(1) },
  { size: 8 },
)
/** Bits of `flags` of page B2. */
export const ProvisioningFlag = { LBPU: 0x80, LBPWS: 0x40, LBPWS10: 0x20, LBPRZ: 0x04 } as const
export const ProvisioningType = { FULL: 0, RESOURCE: 1, THIN: 2 } as const

/** Page CE. */
export const vpdMsftVendor = layout(
  'vpd_msft_vendor',
  { header: vpdHeader, version: u8, mode_select_extension: u8 },
  { size: 6 },
)
/** Page CF. */
export const vpdMsftSignature = layout(
  'vpd_msft_signature',
  { header: vpdHeader, version: u8, flags: u8, reserved: reserved(2), signature: at(8, guid) },
  { size: 24 },
)
export const MSFT_SIGNATURE_ID = '89a98f15-c928-4d8b-94cd-ef51faa99d33'
