import { NVSP_INVALID_PROTOCOL_VERSION, NvspMessageType, NvspStatus, NvspVersion } from '@bis/hyperv-types/network'

const MAX_MDL_CHAIN = 34

const ANSWERS: Readonly<Record<number, number>> = {
  [NvspMessageType.INIT]: NvspMessageType.INIT_COMPLETE,
  [NvspMessageType.SEND_RECV_BUF]: NvspMessageType.SEND_RECV_BUF_COMPLETE,
  [NvspMessageType.SEND_SEND_BUF]: NvspMessageType.SEND_SEND_BUF_COMPLETE,
  [NvspMessageType.SUBCHANNEL]: NvspMessageType.SUBCHANNEL,
  [NvspMessageType.OID_QUERY_EX]: NvspMessageType.OID_QUERY_EX_COMP,
}

/** Bytes that a request must have, its header included. */
export function requestBytes(type: number): number {
  if (type === NvspMessageType.SEND_NDIS_CONFIG) return 20
  if (type === NvspMessageType.REVOKE_RECV_BUF || type === NvspMessageType.REVOKE_SEND_BUF) return 8
  return type === NvspMessageType.SWITCH_DATA_PATH ? 8 : 12
}

export function writeAnswer(view: DataView, type: number, status: number): void {
  view.setUint32(0, type, true)
  view.setUint32(4, status, true)
}

/** INIT_COMPLETE. @param version undefined when none was agreed on */
export function writeInitComplete(view: DataView, version: number | undefined): void {
  view.setUint32(0, NvspMessageType.INIT_COMPLETE, true)
  view.setUint32(4, version === NvspVersion.V1 ? version : NVSP_INVALID_PROTOCOL_VERSION, true)
  view.setUint32(8, MAX_MDL_CHAIN, true)
  view.setUint32(12, version === undefined ? NvspStatus.NONE : NvspStatus.SUCCESS, true)
}

/** SEND_RECV_BUF_COMPLETE of a buffer with one kind of section. */
export function writeReceiveSections(view: DataView, sectionBytes: number, count: number): void {
  writeAnswer(view, NvspMessageType.SEND_RECV_BUF_COMPLETE, NvspStatus.SUCCESS)
  view.setUint32(8, 1, true)
  view.setUint32(12, 0, true)
  view.setUint32(16, sectionBytes, true)
  view.setUint32(20, count, true)
  view.setUint32(24, count * sectionBytes, true)
}

/** Answers what has an answer with a failure. @returns whether it has one */
export function writeRefusal(view: DataView, request: number): boolean {
  const answer = ANSWERS[request]
  if (answer === undefined) return false
  writeAnswer(view, answer, answer === NvspMessageType.INIT_COMPLETE ? 0 : NvspStatus.FAIL)
  if (answer === NvspMessageType.INIT_COMPLETE) view.setUint32(12, NvspStatus.FAIL, true)
  return true
}
