/** Bodies of the host's messages: behind the IC header, operation and pool, then what the operation has. */
import {
  decodeKvpIpBinary,
  encodeKvpIpBinary,
  IcStatus,
  KVP_5_0,
  KVP_POOL_COUNT,
  KvpOperation,
  KvpValueType,
  kvpDelete,
  kvpEnumerate,
  kvpHeader,
  kvpIpAddressBinary,
  kvpIpMessage,
  kvpValue,
  splitKvpList,
} from '@bis/hyperv-types/ic'
import type { IpInformation } from '../ip/ip-information.ts'
import { IP_FIELD_UNITS, joinList, validOnly } from '../ip/ip-information.ts'
import type { KvpPoolNumber } from '../pool/pool.ts'
import type { KvpReply, KvpRequest } from '../request.ts'
import { readText, writeText } from './utf16.ts'

/** Where GET to ENUMERATE have their records. */
const RECORD = kvpHeader.size
const { data, index: entryIndex } = kvpEnumerate.place(RECORD)
const ENTRY = data.offset
const ip = kvpIpMessage.kvp_ip_val

/**
 * What a body asks for, or the status that refuses it.
 * @param version of the messages, major << 16 | minor: from 5.0 on IP information is binary
 */
export function readRequest(view: DataView, length: number, version: number): KvpRequest | number {
  if (length < kvpHeader.size) return IcStatus.INVALID_ARGUMENT
  const operation = kvpHeader.operation.get(view, 0)
  const number = kvpHeader.pool.get(view, 0)
  if (operation > KvpOperation.SET_IP_INFO) return IcStatus.NOT_SUPPORTED
  if (length < bodyBytes(operation, version)) return IcStatus.INVALID_ARGUMENT
  if (operation >= KvpOperation.GET_IP_INFO)
    return version >= KVP_5_0 ? readBinaryIpRequest(view, operation) : readIpRequest(view, operation)
  if (number >= KVP_POOL_COUNT) return IcStatus.INVALID_ARGUMENT
  const pool = number as KvpPoolNumber
  switch (operation) {
    case KvpOperation.ENUMERATE:
      return { operation: 'enumerate', pool, index: entryIndex.get(view, 0) }
    case KvpOperation.DELETE: {
      const key = readKey(view, kvpDelete.key_size.get(view, RECORD), RECORD + kvpDelete.key.offset)
      return key === undefined ? IcStatus.INVALID_ARGUMENT : { operation: 'delete', pool, key }
    }
    default: {
      const key = readKey(view, kvpValue.key_size.get(view, RECORD), RECORD + kvpValue.key.offset)
      if (key === undefined) return IcStatus.INVALID_ARGUMENT
      if (operation === KvpOperation.GET) return { operation: 'get', pool, key }
      const value = readValue(view)
      return value === undefined ? IcStatus.INVALID_ARGUMENT : { operation: 'set', pool, key, value }
    }
  }
}

/** Least bytes of a body with this operation. */
function bodyBytes(operation: number, version: number): number {
  switch (operation) {
    case KvpOperation.DELETE:
      return RECORD + kvpDelete.size
    case KvpOperation.ENUMERATE:
      return RECORD + kvpEnumerate.size
    case KvpOperation.GET:
    case KvpOperation.SET:
      return RECORD + kvpValue.size
    default:
      return version >= KVP_5_0 ? RECORD + kvpIpAddressBinary.size : kvpIpMessage.size
  }
}

function readKey(view: DataView, size: number, offset: number): string | undefined {
  const key = readText(view, offset, kvpValue.key.size, size)
  return key === '' || key === undefined || !fits(key, kvpValue.key.size) ? undefined : key
}

const encoder = new TextEncoder()

/** Whether text fits a pool's record: as many bytes of UTF-8 as the message has of UTF-16, NUL included. */
function fits(text: string, fieldBytes: number): boolean {
  return encoder.encode(text).length < fieldBytes
}

/** Numbers become decimal text, as the kernels have it. */
function readValue(view: DataView): string | undefined {
  const { value_type, value_size, value } = kvpValue
  const offset = RECORD + value.offset
  switch (value_type.get(view, RECORD)) {
    case KvpValueType.STRING:
    case KvpValueType.EXPAND_STRING: {
      const text = readText(view, offset, value.size, value_size.get(view, RECORD))
      return text === undefined || !fits(text, value.size) ? undefined : text
    }
    case KvpValueType.U32:
      return String(view.getUint32(offset, true))
    case KvpValueType.U64:
    case KvpValueType.QWORD:
      return String(view.getBigUint64(offset, true))
    default:
      return undefined
  }
}

function readIpRequest(view: DataView, operation: number): KvpRequest | number {
  const text = (field: { offset: number; size: number }): string | undefined => readText(view, field.offset, field.size)
  const adapterId = text(ip.adapter_id)
  const addressFamily = ip.addr_family.get(view, 0)
  if (adapterId === undefined) return IcStatus.INVALID_ARGUMENT
  if (operation === KvpOperation.GET_IP_INFO) return { operation: 'get-ip', adapterId, addressFamily }
  const lists = [ip.ip_addr, ip.sub_net, ip.gate_way, ip.dns_addr].map(text)
  const [addresses, subnets, gateways, dnsServers] = lists
  if (addresses === undefined || subnets === undefined || gateways === undefined || dnsServers === undefined) {
    return IcStatus.INVALID_ARGUMENT
  }
  const information: IpInformation = {
    adapterId,
    addressFamily,
    dhcp: ip.dhcp_enabled.get(view, 0) !== 0,
    addresses: splitKvpList(addresses),
    subnets: splitKvpList(subnets),
    gateways: splitKvpList(gateways),
    dnsServers: splitKvpList(dnsServers),
  }
  return { operation: 'set-ip', information }
}

function readBinaryIpRequest(view: DataView, operation: number): KvpRequest | number {
  const information = decodeKvpIpBinary(bytesOf(view), RECORD)
  if (information === undefined || /\p{Surrogate}/u.test(information.adapterId)) return IcStatus.INVALID_ARGUMENT
  const { adapterId, addressFamily } = information
  if (operation === KvpOperation.GET_IP_INFO) return { operation: 'get-ip', adapterId, addressFamily }
  return { operation: 'set-ip', information }
}

/**
 * Writes a reply over the request's body.
 * @param version as {@link readRequest} has it
 * @returns whether a key or value had to be cut to fit the message
 */
export function writeReply(view: DataView, request: KvpRequest, reply: KvpReply, version: number): boolean {
  if (reply.status !== IcStatus.S_OK) return false
  if (request.operation === 'get') return writeRecord(view, RECORD, request.key, reply.value ?? '')
  if (request.operation === 'enumerate') return writeRecord(view, ENTRY, reply.key ?? '', reply.value ?? '')
  if (request.operation === 'get-ip' && reply.information !== undefined) {
    if (version >= KVP_5_0) writeBinaryIp(view, { ...reply.information, adapterId: request.adapterId })
    else writeIp(view, reply.information)
  }
  return false
}

function writeRecord(view: DataView, at: number, key: string, value: string): boolean {
  const keyPart = writeText(view, at + kvpValue.key.offset, kvpValue.key.size, key)
  const valuePart = writeText(view, at + kvpValue.value.offset, kvpValue.value.size, value)
  kvpValue.value_type.set(view, at, KvpValueType.STRING)
  kvpValue.key_size.set(view, at, keyPart.size)
  kvpValue.value_size.set(view, at, valuePart.size)
  return keyPart.cut || valuePart.cut
}

function writeIp(view: DataView, information: IpInformation): void {
  const { addressFamily, dhcp, addresses, subnets, gateways, dnsServers } = validOnly(information)
  ip.addr_family.set(view, 0, addressFamily & 3)
  ip.dhcp_enabled.set(view, 0, dhcp ? 1 : 0)
  const lists = [
    [ip.ip_addr, addresses, IP_FIELD_UNITS.addresses],
    [ip.sub_net, subnets, IP_FIELD_UNITS.subnets],
    [ip.gate_way, gateways, IP_FIELD_UNITS.gateways],
    [ip.dns_addr, dnsServers, IP_FIELD_UNITS.dnsServers],
  ] as const
  for (const [field, entries, units] of lists) writeText(view, field.offset, field.size, joinList(entries, units))
}

/** What is no address tells the host nothing, and what has no place is left out, as in the text form. */
function writeBinaryIp(view: DataView, information: IpInformation): void {
  bytesOf(view).set(encodeKvpIpBinary(information).bytes, RECORD)
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
