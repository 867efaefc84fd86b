/**
 * What all integration components (ICs) share: an in-band packet of pipe header, IC header and body. The guest answers
 * in the same buffer. Sources: include/linux/hyperv.h, FreeBSD vmbus_icreg.h, OpenVMM hyperv_ic_protocol.
 */
import { layout, reserved, rest, u8, u16, u32 } from '../struct/index.ts'
import { pipeHeader } from '../vmbus/packet.ts'

export const icVersion = layout('ic_version', { major: u16, minor: u16 }, { size: 4 })

/** IC header, behind the pipe header. */
export const icHeader = layout(
  'icmsg_hdr',
  {
    icverframe: icVersion,
    icmsgtype: u16,
    icvermsg: icVersion,
    /** Bytes of the body. What counts when a guest answers in a longer packet. */
    icmsgsize: u16,
    /** HRESULT. */
    status: u32,
    ictransaction_id: u8,
    icflags: u8,
    reserved: reserved(2),
  },
  { size: 20 },
)

/** Pipe header and IC header: the data of an IC packet begins with it. */
export const icPacket = layout('ic_packet_header', { pipe: pipeHeader, ic: icHeader }, { size: 28 })

/** Where the body begins in the data of an IC packet. */
export const IC_BODY_OFFSET = icPacket.size
/** The longest IC message of OpenVMM's host. */
export const IC_MAX_MESSAGE_BYTES = 13_312

export const IcMessageType = {
  NEGOTIATE: 0,
  HEARTBEAT: 1,
  KVP: 2,
  SHUTDOWN: 3,
  TIMESYNC: 4,
  VSS: 5,
  RDV: 6,
  FILE_COPY: 7,
  VM_SESSION: 8,
} as const
export type IcMessageType = (typeof IcMessageType)[keyof typeof IcMessageType]

export const IcFlag = { TRANSACTION: 1, REQUEST: 2, RESPONSE: 4 } as const
/** `icflags` of the host's requests and of the guest's answers. */
export const IC_FLAGS_REQUEST = IcFlag.TRANSACTION | IcFlag.REQUEST
export const IC_FLAGS_RESPONSE = IcFlag.TRANSACTION | IcFlag.RESPONSE

/** Body of NEGOTIATE: framework versions, then message versions. An answer has one of each, or none for a refusal. */
export const icNegotiate = layout(
  'icmsg_negotiate',
  { icframe_vercnt: u16, icmsg_vercnt: u16, reserved: reserved(4), icversion_data: rest(icVersion) },
  { size: 8 },
)
/** More versions than this are no negotiation. */
export const IC_MAX_VERSIONS = 100

/** A version as one number that sorts: major << 16 | minor. */
export function icVersionWord(major: number, minor: number): number {
  return major * 0x1_0000 + minor
}

/** Framework versions. */
export const IC_FRAMEWORK_1_0 = 0x0001_0000
export const IC_FRAMEWORK_3_0 = 0x0003_0000

/** HRESULTs in `status`. */
export const IcStatus = {
  S_OK: 0x0000_0000,
  E_FAIL: 0x8000_4005,
  GUID_NOT_FOUND: 0x8004_1002,
  NOT_SUPPORTED: 0x8007_0032,
  ALREADY_EXISTS: 0x8007_0050,
  INVALID_ARGUMENT: 0x8007_0057,
  DISK_FULL: 0x8007_0070,
  /** No more items; also what guests answer for a key that is not there. */
  CONTINUE: 0x8007_0103,
  DEVICE_NOT_CONNECTED: 0x8007_048f,
  MACHINE_LOCKED: 0x8007_04f7,
} as const
