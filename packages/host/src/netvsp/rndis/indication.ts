import { RndisMessageType } from '@bis/hyperv-types/network'

const HEADER_BYTES = 20
/** Offsets count from the status field. */
const DATA_OFFSET = 12

/** An RNDIS INDICATE_STATUS message. */
export function indication(status: number, data: Uint8Array): Uint8Array {
  const length = HEADER_BYTES + data.length
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, RndisMessageType.INDICATE, true)
  view.setUint32(4, length, true)
  view.setUint32(8, status, true)
  view.setUint32(12, data.length, true)
  view.setUint32(16, data.length === 0 ? 0 : DATA_OFFSET, true)
  bytes.set(data, HEADER_BYTES)
  return bytes
}
