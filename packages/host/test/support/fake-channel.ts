import type { HostChannel, Packet } from '@bis/hyperv-types'
import { GuestMemory, SendStatus } from '@bis/hyperv-types'
import { NtStatus, VstorOperation, vstorPacket } from '@bis/hyperv-types/storage'

const SRB = vstorPacket.u.as.vm_srb

export interface SentPacket {
  readonly type: number
  readonly low: number
  readonly high: number
  readonly data: Uint8Array
}

/** A host's end of a channel without a ring: keeps what is sent, and refuses when told to. */
export class FakeChannel implements HostChannel {
  readonly channelId = 1
  readonly subIndex: number
  readonly memory: GuestMemory
  readonly longestPacket = 4080
  readonly protocolVersion = 0x0005_0003
  readonly userData = new Uint8Array(120)
  readonly statistics = {
    packetsSent: 0,
    packetsReceived: 0,
    signalsSent: 0,
    signalsSuppressed: 0,
    ringFull: 0,
    interrupts: 0,
    protocolErrors: 0,
  }
  sent: SentPacket[] = []
  full = false
  paused = false
  failure: string | undefined
  restored: unknown = undefined

  constructor(subIndex = 0, memory = GuestMemory.allocate(64 * 4096, { kind: 'plain' })) {
    this.subIndex = subIndex
    this.memory = memory
  }

  send(
    type: number,
    _flags: number,
    low: number,
    high: number,
    _header: Uint8Array | undefined,
    _headerLength: number,
    data: Uint8Array,
    offset: number,
    length: number,
  ): SendStatus {
    if (this.full) return SendStatus.full
    this.sent.push({ type, low, high, data: data.slice(offset, offset + length) })
    return SendStatus.sent
  }

  beginBatch(): void {}
  endBatch(): void {}
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  gpadl(): undefined {
    return undefined
  }
  fail(reason: string): void {
    this.failure = reason
  }
}

export interface PacketShape {
  readonly type?: number
  readonly flags?: number
  readonly low?: number
  readonly high?: number
  /** Range list, a multiple of 8 bytes. */
  readonly header?: Uint8Array
  readonly data: Uint8Array
}

/** A packet as a ring presents it; data is padded to 8 bytes. */
export function packetOf({ type = 6, flags = 1, low = 1, high = 0, header, data }: PacketShape): Packet {
  const headerLength = header?.length ?? 0
  const dataLength = Math.ceil(data.length / 8) * 8
  const bytes = new Uint8Array(16 + headerLength + dataLength)
  if (header !== undefined) bytes.set(header, 16)
  bytes.set(data, 16 + headerLength)
  return {
    type,
    flags,
    transactionIdLow: low,
    transactionIdHigh: high,
    bytes,
    view: new DataView(bytes.buffer),
    length: bytes.length,
    dataOffset: 16 + headerLength,
    dataLength,
  }
}

/** A VSTOR packet of 64 bytes (or 48) with only an operation and, maybe, a version or count. */
export function vstor(operation: number, argument = 0, size = 64): Uint8Array {
  const data = new Uint8Array(size)
  const view = new DataView(data.buffer)
  view.setUint32(0, operation, true)
  view.setUint32(4, 1, true)
  view.setUint16(12, argument, true)
  return data
}

/** An EXECUTE_SRB packet. */
export function srbPacket(
  cdb: readonly number[],
  fields: Partial<Record<SrbField, number>> = {},
  size = 64,
): Uint8Array {
  const data = new Uint8Array(64)
  const view = new DataView(data.buffer)
  view.setUint32(0, VstorOperation.EXECUTE_SRB, true)
  view.setUint32(4, 1, true)
  SRB.cdb_length.set(view, 0, 16)
  SRB.sense_info_length.set(view, 0, 20)
  SRB.data_in.set(view, 0, 2)
  for (const [name, value] of Object.entries(fields)) SRB[name as SrbField].set(view, 0, value)
  data.set(cdb, 28)
  return data.subarray(0, size)
}

type SrbField =
  | 'length'
  | 'path_id'
  | 'target_id'
  | 'lun'
  | 'cdb_length'
  | 'sense_info_length'
  | 'data_in'
  | 'data_transfer_length'

/** A GPA-direct header with one range. */
export function range(byteLength: number, byteOffset: number, pfns: readonly number[], count = 1): Uint8Array {
  const header = new Uint8Array(16 + pfns.length * 8)
  const view = new DataView(header.buffer)
  view.setUint32(4, count, true)
  view.setUint32(8, byteLength, true)
  view.setUint32(12, byteOffset, true)
  pfns.forEach((pfn, i) => {
    view.setUint32(16 + i * 8, pfn % 2 ** 32, true)
    view.setUint32(20 + i * 8, Math.floor(pfn / 2 ** 32), true)
  })
  return header
}

export interface DecodedAnswer {
  readonly operation: number
  readonly status: number
  readonly srb: number
  readonly scsi: number
  readonly transferred: number
  readonly senseLength: number
  /** `5/24/00` or ''. */
  readonly sense: string
}

export function decodeAnswer({ data }: SentPacket): DecodedAnswer {
  const full = new Uint8Array(64)
  full.set(data)
  const view = new DataView(full.buffer)
  const hex = (at: number): string => view.getUint8(at).toString(16).padStart(2, '0')
  const senseLength = SRB.sense_info_length.get(view, 0)
  return {
    operation: view.getUint32(0, true),
    status: view.getUint32(8, true),
    srb: SRB.srb_status.get(view, 0),
    scsi: SRB.scsi_status.get(view, 0),
    transferred: SRB.data_transfer_length.get(view, 0),
    senseLength,
    sense: senseLength === 0 ? '' : `${view.getUint8(30).toString(16)}/${hex(40)}/${hex(41)}`,
  }
}

export const STATUS_NAMES = new Map<number, string>(Object.entries(NtStatus).map(([name, value]) => [value, name]))
