import type { Packet } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { NvspStatus, nvspMessage } from '@bis/hyperv-types/network'

/** A receive buffer as the host has cut it, checked. */
export interface ReceiveSections {
  readonly sectionBytes: number
  readonly count: number
}

/** Least bytes of a section that make sense: an RNDIS header and some. */
const LEAST_SECTION_BYTES = 68
const LEAST_SECTIONS = 10

/** An NVSP message of 40 bytes; what is not named is 0. */
export function nvsRequest(type: number, ...words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(nvspMessage.size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  words.forEach((word, i) => {
    view.setUint32(4 + i * 4, word, true)
  })
  return bytes
}

/** The answer's body after its type, copied out. @throws DeviceError `protocol` for another type, or too few bytes */
export function nvsAnswer(packet: Packet, type: number, bodyBytes: number): DataView {
  const { view, dataOffset, dataLength } = packet
  const got = dataLength >= 4 ? view.getUint32(dataOffset, true) : 0
  if (got !== type || dataLength < 4 + bodyBytes) {
    throw new DeviceError('protocol', `the host answers with NVSP message ${got} of ${dataLength} bytes, not ${type}`)
  }
  const body = packet.bytes.slice(dataOffset + 4, dataOffset + dataLength)
  return new DataView(body.buffer)
}

/**
 * Takes the sections out of the answer to SEND_RECV_BUF. All hosts make one run of sections from the beginning of the
 * buffer; anything else is refused.
 * @throws DeviceError `protocol`
 */
export function readReceiveSections(body: DataView, bufferBytes: number): ReceiveSections {
  const status = body.getUint32(0, true)
  const runs = body.getUint32(4, true)
  const offset = body.getUint32(8, true)
  const sectionBytes = body.getUint32(12, true)
  const count = body.getUint32(16, true)
  if (status !== NvspStatus.SUCCESS)
    throw new DeviceError('attach-failed', `the host refuses the receive buffer (${status})`)
  const fits = sectionBytes >= LEAST_SECTION_BYTES && count >= LEAST_SECTIONS && sectionBytes * count <= bufferBytes
  if (runs !== 1 || offset !== 0 || !fits) {
    throw new DeviceError(
      'protocol',
      `the host cuts the receive buffer of ${bufferBytes} bytes into ${runs} × ${count} sections of ${sectionBytes} bytes from ${offset} on`,
    )
  }
  return { sectionBytes, count }
}

/** Takes the section size out of the answer to SEND_SEND_BUF. @returns 0 when the send buffer cannot be used */
export function readSendSectionBytes(body: DataView, bufferBytes: number): number {
  const sectionBytes = body.getUint32(4, true)
  const usable = body.getUint32(0, true) === NvspStatus.SUCCESS && sectionBytes % 4 === 0 && sectionBytes >= 128
  return usable && sectionBytes <= bufferBytes ? sectionBytes : 0
}
