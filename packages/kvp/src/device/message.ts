/**
 * Messages between kernel and daemon, struct hv_kvp_msg: a header of operation and pool, which is the status in answers,
 * and a body with UTF-8 text in the fields of the host's UTF-16.
 */
import {
  IcStatus,
  KVP_MAX_KEY_BYTES,
  KVP_MAX_VALUE_BYTES,
  KVP_POOL_COUNT,
  KvpOperation,
  KvpValueType,
  kvpDelete,
  kvpEnumerate,
  kvpHeader,
  kvpIpAddress,
  kvpValue,
  splitKvpList,
} from '@bis/hyperv-types/ic'
import type { IpInformation } from '../ip/ip-information.ts'
import { joinList } from '../ip/ip-information.ts'
import type { KvpPoolNumber } from '../pool/pool.ts'
import type { KvpReply, KvpRequest } from '../request.ts'
import type { KvpDeviceKind } from './system.ts'
import { DEVICE_BODY } from './system.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const { data, index: entryIndex } = kvpEnumerate.place(DEVICE_BODY)
const ENTRY = data.offset
const ip = kvpIpAddress.place(DEVICE_BODY)
const OPERATIONS = {
  get: KvpOperation.GET,
  set: KvpOperation.SET,
  delete: KvpOperation.DELETE,
  enumerate: KvpOperation.ENUMERATE,
  'get-ip': KvpOperation.GET_IP_INFO,
  'set-ip': KvpOperation.SET_IP_INFO,
} as const

/** A message with only an operation: a registration. */
export function encodeOperation(kind: KvpDeviceKind, operation: number, text = ''): Uint8Array {
  const bytes = new Uint8Array(kind.messageBytes)
  kvpHeader.operation.set(viewOf(bytes), 0, operation)
  putText(bytes, DEVICE_BODY, KVP_MAX_KEY_BYTES, text)
  return bytes
}

export function operationOf(bytes: Uint8Array): number {
  return bytes[0] ?? 0
}

/** The text of a registration's answer: the kernel's version of the integration services. */
export function registrationText(bytes: Uint8Array): string {
  return takeText(bytes, DEVICE_BODY, KVP_MAX_KEY_BYTES)
}

/** The kernel's side: what a daemon reads. */
export function encodeRequest(kind: KvpDeviceKind, request: KvpRequest): Uint8Array {
  const bytes = new Uint8Array(kind.messageBytes)
  const view = viewOf(bytes)
  kvpHeader.operation.set(view, 0, OPERATIONS[request.operation])
  if ('pool' in request) kvpHeader.pool.set(view, 0, request.pool)
  switch (request.operation) {
    case 'get':
    case 'set': {
      kvpValue.value_type.set(view, DEVICE_BODY, KvpValueType.STRING)
      kvpValue.key_size.set(view, DEVICE_BODY, putKey(bytes, kvpValue.key.offset, request.key))
      const value = request.operation === 'set' ? request.value : ''
      const size = putText(bytes, DEVICE_BODY + kvpValue.value.offset, KVP_MAX_VALUE_BYTES, value)
      // The daemons copy as many bytes as they are told; Linux tells them 0 and gets an empty value.
      kvpValue.value_size.set(view, DEVICE_BODY, request.operation === 'get' ? KVP_MAX_VALUE_BYTES : size)
      break
    }
    case 'delete':
      kvpDelete.key_size.set(view, DEVICE_BODY, putKey(bytes, kvpDelete.key.offset, request.key))
      break
    case 'enumerate':
      entryIndex.set(view, 0, request.index)
      break
    case 'get-ip':
      ip.addr_family.set(view, 0, request.addressFamily)
      putText(bytes, ip.adapter_id.offset, ip.adapter_id.size, request.adapterId)
      break
    case 'set-ip':
      putIp(bytes, request.information)
      break
  }
  return bytes
}

/** The kernel's side: what a daemon wrote for a request. */
export function decodeReply(bytes: Uint8Array, request: KvpRequest): KvpReply {
  const view = viewOf(bytes)
  const status = view.getUint32(0, true)
  if (status !== IcStatus.S_OK) return { status }
  const text = (at: number, field: number): string => takeText(bytes, at, field)
  switch (request.operation) {
    case 'get':
      return { status, value: text(DEVICE_BODY + kvpValue.value.offset, KVP_MAX_VALUE_BYTES) }
    case 'enumerate': {
      const key = text(ENTRY + kvpValue.key.offset, KVP_MAX_KEY_BYTES)
      return { status, key, value: text(ENTRY + kvpValue.value.offset, KVP_MAX_VALUE_BYTES) }
    }
    case 'get-ip':
      return { status, information: takeIp(bytes) }
    default:
      return { status }
  }
}

/** The daemon's side: what it read, or the status that refuses it. */
export function decodeRequest(bytes: Uint8Array): KvpRequest | number {
  const view = viewOf(bytes)
  const operation = kvpHeader.operation.get(view, 0)
  const number = kvpHeader.pool.get(view, 0)
  if (operation > KvpOperation.SET_IP_INFO) return IcStatus.NOT_SUPPORTED
  if (operation === KvpOperation.GET_IP_INFO) {
    const { adapterId, addressFamily } = takeIp(bytes)
    return { operation: 'get-ip', adapterId, addressFamily }
  }
  if (operation === KvpOperation.SET_IP_INFO) return { operation: 'set-ip', information: takeIp(bytes) }
  if (number >= KVP_POOL_COUNT) return IcStatus.INVALID_ARGUMENT
  const pool = number as KvpPoolNumber
  if (operation === KvpOperation.ENUMERATE) return { operation: 'enumerate', pool, index: entryIndex.get(view, 0) }
  const keyAt = DEVICE_BODY + (operation === KvpOperation.DELETE ? kvpDelete : kvpValue).key.offset
  const key = takeText(bytes, keyAt, KVP_MAX_KEY_BYTES)
  if (operation !== KvpOperation.SET) return { operation: operation === KvpOperation.GET ? 'get' : 'delete', pool, key }
  const value = takeText(bytes, DEVICE_BODY + kvpValue.value.offset, KVP_MAX_VALUE_BYTES)
  return { operation: 'set', pool, key, value }
}

/** The daemon's side: writes a reply over the request's message. */
export function encodeReply(bytes: Uint8Array, reply: KvpReply): void {
  const operation = operationOf(bytes)
  viewOf(bytes).setUint32(0, reply.status, true)
  if (reply.status !== IcStatus.S_OK) return
  if (operation === KvpOperation.GET) putRecord(bytes, DEVICE_BODY, undefined, reply.value ?? '')
  if (operation === KvpOperation.ENUMERATE) putRecord(bytes, ENTRY, reply.key ?? '', reply.value ?? '')
  if (operation === KvpOperation.GET_IP_INFO && reply.information !== undefined) putIp(bytes, reply.information)
}

function putRecord(bytes: Uint8Array, at: number, key: string | undefined, value: string): void {
  const view = viewOf(bytes)
  kvpValue.value_type.set(view, at, KvpValueType.STRING)
  if (key !== undefined) {
    kvpValue.key_size.set(view, at, putText(bytes, at + kvpValue.key.offset, KVP_MAX_KEY_BYTES, key))
  }
  const size = putText(bytes, at + kvpValue.value.offset, KVP_MAX_VALUE_BYTES, value)
  kvpValue.value_size.set(view, at, size)
}

function putKey(bytes: Uint8Array, offset: number, key: string): number {
  return putText(bytes, DEVICE_BODY + offset, KVP_MAX_KEY_BYTES, key)
}

/** Writes text and fills the field with NULs, one at least; what is longer is cut between characters. @returns bytes, NUL included */
function putText(bytes: Uint8Array, offset: number, size: number, text: string): number {
  const field = bytes.subarray(offset, offset + size).fill(0)
  return encoder.encodeInto(text, field.subarray(0, size - 1)).written + 1
}

function takeText(bytes: Uint8Array, offset: number, size: number): string {
  const field = bytes.subarray(offset, offset + size)
  const nul = field.indexOf(0)
  return decoder.decode(nul === -1 ? field : field.subarray(0, nul))
}

function putIp(bytes: Uint8Array, information: IpInformation): void {
  const view = viewOf(bytes)
  ip.addr_family.set(view, 0, information.addressFamily)
  ip.dhcp_enabled.set(view, 0, information.dhcp ? 1 : 0)
  putText(bytes, ip.adapter_id.offset, ip.adapter_id.size, information.adapterId)
  const { addresses, subnets, gateways, dnsServers } = information
  const lists = [
    [ip.ip_addr, addresses],
    [ip.sub_net, subnets],
    [ip.gate_way, gateways],
    [ip.dns_addr, dnsServers],
  ] as const
  for (const [{ offset, size }, entries] of lists) putText(bytes, offset, size, joinList(entries, size))
}

function takeIp(bytes: Uint8Array): IpInformation {
  const view = viewOf(bytes)
  const list = ({ offset, size }: { offset: number; size: number }): string[] =>
    splitKvpList(takeText(bytes, offset, size))
  return {
    adapterId: takeText(bytes, ip.adapter_id.offset, ip.adapter_id.size),
    addressFamily: ip.addr_family.get(view, 0),
    dhcp: ip.dhcp_enabled.get(view, 0) !== 0,
    addresses: list(ip.ip_addr),
    subnets: list(ip.sub_net),
    gateways: list(ip.gate_way),
    dnsServers: list(ip.dns_addr),
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
