import {
  RNDIS_DEVICE_CONNECTIONLESS,
  RNDIS_MAJOR_VERSION,
  RNDIS_MEDIUM_802_3,
  RNDIS_QUERY_COMPLETE_DATA_OFFSET,
  RndisMessageType,
  RndisStatus,
  rndisMessage,
} from '@bis/hyperv-types/network'

/** PACKET messages in one message at most, and the power of two that each begins at. */
const MAX_PACKETS = 8
const ALIGNMENT = 3
const MAX_TRANSFER = 0xefff_ffff
const QUERY_DATA_AT = 24

/** @param major version that the guest asks for: 1 is the only one */
export function initializeComplete(id: number, major: number): Uint8Array {
  const init_complete = {
    req_id: id,
    status: major === RNDIS_MAJOR_VERSION ? RndisStatus.SUCCESS : RndisStatus.BAD_VERSION,
    major_ver: RNDIS_MAJOR_VERSION,
    minor_ver: 0,
    dev_flags: RNDIS_DEVICE_CONNECTIONLESS,
    medium: RNDIS_MEDIUM_802_3,
    max_pkt_per_msg: MAX_PACKETS,
    max_xfer_size: MAX_TRANSFER,
    pkt_alignment_factor: ALIGNMENT,
    af_list_offset: 0,
    af_list_size: 0,
  }
  return encode(RndisMessageType.INIT_C, { init_complete }, 52)
}

/** @param data undefined for an OID that is not supported */
export function queryComplete(id: number, data: Uint8Array | undefined): Uint8Array {
  const status = data === undefined ? RndisStatus.NOT_SUPPORTED : RndisStatus.SUCCESS
  const info_buflen = data?.length ?? 0
  const query_complete = { req_id: id, status, info_buflen, info_buf_offset: RNDIS_QUERY_COMPLETE_DATA_OFFSET }
  const answer = encode(RndisMessageType.QUERY_C, { query_complete }, QUERY_DATA_AT + info_buflen)
  if (data !== undefined) answer.set(data, QUERY_DATA_AT)
  return answer
}

export function setComplete(id: number, status: number): Uint8Array {
  return encode(RndisMessageType.SET_C, { set_complete: { req_id: id, status } }, 16)
}

export function resetComplete(): Uint8Array {
  return encode(RndisMessageType.RESET_C, { reset_complete: { status: 0, addressing_reset: 0 } }, 16)
}

export function keepAliveComplete(id: number): Uint8Array {
  return encode(RndisMessageType.KEEPALIVE_C, { keep_alive_complete: { req_id: id, status: 0 } }, 16)
}

type MessageBody = Parameters<typeof rndisMessage.encode>[0]['msg']

function encode(type: number, msg: MessageBody, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, rndisMessage.size))
  rndisMessage.encode({ ndis_msg_type: type, msg_len: length, msg }, bytes)
  return bytes.subarray(0, length)
}
