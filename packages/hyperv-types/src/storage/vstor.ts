/**
 * The synthetic storage protocol: VSTOR packets and the SCSI request block inside them.
 * Sources: drivers/scsi/storvsc_drv.c, FreeBSD hv_vstorage.h, OpenVMM storvsp_protocol.
 */
import { bytes, layout, reserved, u8, u16, u32, union } from '../struct/index.ts'

export const VstorOperation = {
  COMPLETE_IO: 1,
  /** Host to guest. */
  REMOVE_DEVICE: 2,
  EXECUTE_SRB: 3,
  RESET_LUN: 4,
  RESET_ADAPTER: 5,
  RESET_BUS: 6,
  BEGIN_INITIALIZATION: 7,
  END_INITIALIZATION: 8,
  QUERY_PROTOCOL_VERSION: 9,
  QUERY_PROPERTIES: 10,
  /** Host to guest: LUNs came or went. From 4.2 on. */
  ENUMERATE_BUS: 11,
  FCHBA_DATA: 12,
  CREATE_SUB_CHANNELS: 13,
  EVENT_NOTIFICATION: 14,
} as const
export type VstorOperation = (typeof VstorOperation)[keyof typeof VstorOperation]

/** `flags` bit 0: the sender wants a COMPLETE_IO. Guests set it on all that they send. */
export const VSTOR_REQUEST_COMPLETION = 1

/** Protocol versions, major << 8 | minor. */
export const VstorVersion = {
  /** Windows Server 2008. */
  V2_0: 0x0200,
  /** 2008 R2: ENUMERATE_BUS. */
  V4_2: 0x0402,
  /** 2012: longer SRB, sub-channels. */
  V5_1: 0x0501,
  /** 2012 R2. */
  V6_0: 0x0600,
  /** 2016. */
  V6_2: 0x0602,
} as const
export type VstorVersion = (typeof VstorVersion)[keyof typeof VstorVersion]

/** Every version, newest first: the order in which a guest tries them. */
export const VSTOR_VERSIONS: readonly VstorVersion[] = Object.values(VstorVersion).sort((a, b) => b - a)

export function formatVstorVersion(word: number): string {
  return `${word >>> 8}.${word & 0xff}`
}

/** What an answer's `u` overlays the CDB with. */
export const SRB_CDB_BYTES = 16
export const SRB_SENSE_BYTES = 20

/** SCSI request block. The answer's sense takes the place of the CDB. The last 16 bytes exist from 5.1 on. */
export const srb = layout(
  'vmscsi_request',
  {
    /** Of this block: 36 or 52. Not to be relied on. */
    length: u16,
    srb_status: u8,
    scsi_status: u8,
    port_number: u8,
    path_id: u8,
    target_id: u8,
    lun: u8,
    cdb_length: u8,
    /** Room for sense in a request, bytes of sense in an answer. */
    sense_info_length: u8,
    data_in: u8,
    reserved: reserved(1),
    /** Bytes wanted in a request, bytes moved in an answer. */
    data_transfer_length: u32,
    u: union({ cdb: bytes(SRB_CDB_BYTES), sense_data: bytes(SRB_SENSE_BYTES) }),
    reserve: reserved(2),
    queue_tag: u8,
    queue_action: u8,
    srb_flags: u32,
    /** Seconds. */
    time_out_value: u32,
    queue_sort_key: u32,
  },
  { size: 52 },
)

/** Values of `data_in`. */
export const SrbDataDirection = { WRITE: 0, READ: 1, UNKNOWN: 2 } as const

export const SrbFlag = {
  QUEUE_ACTION_ENABLE: 0x0000_0002,
  DISABLE_SYNCH_TRANSFER: 0x0000_0008,
  DATA_IN: 0x0000_0040,
  DATA_OUT: 0x0000_0080,
  NO_QUEUE_FREEZE: 0x0000_0100,
  MS_SPECIAL_BEHAVIOR: 0x0000_8000,
} as const

/** `queue_tag` of a request without a tag, `queue_action` of a simple tag. */
export const SRB_UNTAGGED = 0xff
export const SRB_SIMPLE_TAG_REQUEST = 0x20

/** Answer to QUERY_PROPERTIES. */
export const channelProperties = layout(
  'vmstorage_channel_properties',
  {
    reserved: reserved(4),
    /** Sub-channels at most, the primary one not counted. */
    max_channel_cnt: u16,
    reserved1: reserved(2),
    flags: u32,
    /** Never 0: Linux divides it into sectors without a check. */
    max_transfer_bytes: u32,
    reserved2: reserved(8),
  },
  { size: 24 },
)

/** `flags` of the properties: the host offers sub-channels. */
export const STORAGE_CHANNEL_SUPPORTS_MULTI_CHANNEL = 1

/** QUERY_PROTOCOL_VERSION. */
export const protocolVersion = layout('vmstorage_protocol_version', { major_minor: u16, revision: u16 }, { size: 4 })

/** FCHBA_DATA; names are big-endian. The secondary pair counts while `primary_active` is 0. */
export const fibreChannelWwn = layout(
  'hv_fc_wwn_packet',
  {
    primary_active: u8,
    reserved1: reserved(3),
    primary_port_wwn: bytes(8),
    primary_node_wwn: bytes(8),
    secondary_port_wwn: bytes(8),
    secondary_node_wwn: bytes(8),
  },
  { size: 36 },
)

/** A whole packet. Before 5.1 it ends 16 bytes earlier; a host takes both lengths at any time. */
export const vstorPacket = layout(
  'vstor_packet',
  {
    operation: u32,
    flags: u32,
    /** NTSTATUS, in what the host sends. */
    status: u32,
    u: union({
      vm_srb: srb,
      storage_channel_properties: channelProperties,
      version: protocolVersion,
      wwn_packet: fibreChannelWwn,
      sub_channel_count: u16,
      buffer: bytes(52),
    }),
  },
  { size: 64 },
)

/** Where the SRB, and in it the CDB or sense, begin in a packet. */
export const VSTOR_SRB_OFFSET = vstorPacket.u.offset
export const VSTOR_CDB_OFFSET = vstorPacket.u.as.vm_srb.u.offset

/** Bytes that a version below 5.1 leaves out at the end of SRB and packet. */
export const VSTOR_EXTENSION_BYTES = 16
export const VSTOR_PACKET_BYTES_SHORT = vstorPacket.size - VSTOR_EXTENSION_BYTES

/** Bytes of a packet. */
export function vstorPacketBytes(version: number): number {
  return version < VstorVersion.V5_1 ? VSTOR_PACKET_BYTES_SHORT : vstorPacket.size
}

/** Bytes of the SRB. */
export function srbBytes(version: number): number {
  return version < VstorVersion.V5_1 ? srb.size - VSTOR_EXTENSION_BYTES : srb.size
}

/** Bytes of sense that an answer has room for. */
export function senseBytes(version: number): number {
  return version < VstorVersion.V5_1 ? 18 : SRB_SENSE_BYTES
}
