/** Bodies of KVP messages as the host writes and reads them. */
import type { KvpIpInformation } from '@bis/hyperv-types/ic'
import {
  decodeKvpIpBinary,
  encodeKvpIpBinary,
  KVP_5_0,
  KVP_BODY_BYTES,
  KVP_IP_BODY_BYTES,
  KVP_MAX_KEY_BYTES,
  KVP_MAX_VALUE_BYTES,
  KvpOperation,
  KvpPool,
  KvpValueType,
  kvpDelete,
  kvpEnumerate,
  kvpHeader,
  kvpIpAddressBinary,
  kvpIpMessage,
  kvpValue,
  splitKvpList,
} from '@bis/hyperv-types/ic'
import { readUtf16z, writeUtf16 } from '@bis/hyperv-types/struct'
import { IcError } from '../errors.ts'

/** A key with its value, as a guest tells it. */
export interface KvpItem {
  readonly key: string
  readonly value: string
}

/** A value: text, or a number, which guests keep as decimal text. */
export type KvpValue = string | number | bigint

/** Where GET to ENUMERATE have their records. */
const RECORD = kvpHeader.size
const { data, index: entryIndex } = kvpEnumerate.place(RECORD)
const ENTRY = data.offset
const ip = kvpIpMessage.kvp_ip_val

/** @throws IcError `invalid-argument` when key or value do not fit the message */
export function encodeKeyRequest(operation: number, pool: number, key: string, value?: KvpValue): Uint8Array {
  const [body, view] = newBody(KVP_BODY_BYTES, operation, pool)
  if (operation === KvpOperation.DELETE) {
    kvpDelete.key_size.set(view, RECORD, putText(view, RECORD + kvpDelete.key.offset, KVP_MAX_KEY_BYTES, 'key', key))
    return body
  }
  kvpValue.key_size.set(view, RECORD, putText(view, RECORD + kvpValue.key.offset, KVP_MAX_KEY_BYTES, 'key', key))
  if (value !== undefined) putValue(view, value)
  return body
}

export function encodeEnumerate(pool: number, index: number): Uint8Array {
  const [body, view] = newBody(KVP_BODY_BYTES, KvpOperation.ENUMERATE, pool)
  entryIndex.set(view, 0, index)
  return body
}

/**
 * @param version of the messages: from 5.0 on IP information is binary
 * @throws IcError `invalid-argument` when the message has no place for something
 */
export function encodeIpRequest(operation: number, information: KvpIpInformation, version: number): Uint8Array {
  if (version >= KVP_5_0) return encodeBinaryIpRequest(operation, information)
  const [body, view] = newBody(KVP_IP_BODY_BYTES, operation, 0)
  const { adapterId, addressFamily, dhcp, addresses, subnets, gateways, dnsServers } = information
  const fields = [
    [ip.adapter_id, 'adapter id', adapterId],
    [ip.ip_addr, 'addresses', addresses.join(';')],
    [ip.sub_net, 'subnets', subnets.join(';')],
    [ip.gate_way, 'gateways', gateways.join(';')],
    [ip.dns_addr, 'DNS servers', dnsServers.join(';')],
  ] as const
  for (const [{ offset, size }, what, text] of fields) putText(view, offset, size, what, text)
  ip.addr_family.set(view, 0, addressFamily)
  ip.dhcp_enabled.set(view, 0, dhcp ? 1 : 0)
  return body
}

/** In pool 1, as OpenVMM's host has it. */
function encodeBinaryIpRequest(operation: number, information: KvpIpInformation): Uint8Array {
  const { adapterId } = information
  const mostUnits = kvpIpAddressBinary.adapter_id.size / 2 - 1
  if (adapterId.length > mostUnits)
    throw new IcError(
      'invalid-argument',
      `an adapter id of ${adapterId.length} characters: a message takes ${mostUnits}`,
    )
  const [body] = newBody(KVP_IP_BODY_BYTES, operation, KvpPool.GUEST)
  const { bytes, left } = encodeKvpIpBinary(information)
  if (left.length > 0)
    throw new IcError(
      'invalid-argument',
      `IP information that a message has no place for: ${left.slice(0, 3).join(', ')}`,
    )
  body.set(bytes, RECORD)
  return body
}

/** The value of an answer to GET. @throws IcError `bad-answer` */
export function decodeValue(body: Uint8Array): string {
  const view = viewOf(body, RECORD + kvpValue.size)
  return takeRecord(view, RECORD).value
}

/** The item of an answer to ENUMERATE. @throws IcError `bad-answer` */
export function decodeItem(body: Uint8Array): KvpItem {
  return takeRecord(viewOf(body, RECORD + kvpEnumerate.size), ENTRY)
}

/** The answer to GET_IP_INFO. @throws IcError `bad-answer` */
export function decodeIp(body: Uint8Array, version: number): KvpIpInformation {
  if (version >= KVP_5_0) return decodeBinaryIp(body)
  const view = viewOf(body, kvpIpMessage.size)
  const text = ({ offset, size }: { offset: number; size: number }): string => readUtf16z(view, offset, size)
  return {
    adapterId: text(ip.adapter_id),
    addressFamily: ip.addr_family.get(view, 0),
    dhcp: ip.dhcp_enabled.get(view, 0) !== 0,
    addresses: splitKvpList(text(ip.ip_addr)),
    subnets: splitKvpList(text(ip.sub_net)),
    gateways: splitKvpList(text(ip.gate_way)),
    dnsServers: splitKvpList(text(ip.dns_addr)),
  }
}

function decodeBinaryIp(body: Uint8Array): KvpIpInformation {
  viewOf(body, RECORD + kvpIpAddressBinary.size)
  const information = decodeKvpIpBinary(body, RECORD)
  if (information === undefined) throw new IcError('bad-answer', 'IP information with more than its arrays hold')
  return information
}

function newBody(length: number, operation: number, pool: number): [Uint8Array, DataView] {
  const body = new Uint8Array(length)
  const view = new DataView(body.buffer)
  kvpHeader.operation.set(view, 0, operation)
  kvpHeader.pool.set(view, 0, pool)
  return [body, view]
}

function putValue(view: DataView, value: KvpValue): void {
  const { value_type, value_size } = kvpValue
  const at = RECORD + kvpValue.value.offset
  if (typeof value === 'string') {
    value_type.set(view, RECORD, KvpValueType.STRING)
    value_size.set(view, RECORD, putText(view, at, KVP_MAX_VALUE_BYTES, 'value', value))
  } else if (typeof value === 'number') {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new IcError('invalid-argument', `value ${value}: a number has 32 bits, a bigint 64`)
    }
    value_type.set(view, RECORD, KvpValueType.U32)
    value_size.set(view, RECORD, 4)
    view.setUint32(at, value, true)
  } else {
    if (value !== BigInt.asUintN(64, value)) throw new IcError('invalid-argument', `value ${value} has no 64 bits`)
    value_type.set(view, RECORD, KvpValueType.U64)
    value_size.set(view, RECORD, 8)
    view.setBigUint64(at, value, true)
  }
}

/** Writes text with a NUL. @returns its bytes, NUL included */
function putText(view: DataView, offset: number, size: number, what: string, text: string): number {
  const bytes = (text.length + 1) * 2
  if (bytes > size) throw new IcError('invalid-argument', `${what} of ${bytes} bytes: a message takes ${size}`)
  writeUtf16(text, view, offset)
  return bytes
}

function takeRecord(view: DataView, at: number): KvpItem {
  const keySize = kvpValue.key_size.get(view, at)
  const valueSize = kvpValue.value_size.get(view, at)
  if (keySize > KVP_MAX_KEY_BYTES || valueSize > KVP_MAX_VALUE_BYTES || keySize % 2 !== 0 || valueSize % 2 !== 0) {
    throw new IcError('bad-answer', `a record with a key of ${keySize} and a value of ${valueSize} bytes`)
  }
  return {
    key: readUtf16z(view, at + kvpValue.key.offset, keySize),
    value: readUtf16z(view, at + kvpValue.value.offset, valueSize),
  }
}

function viewOf(body: Uint8Array, least: number): DataView {
  if (body.length < least) throw new IcError('bad-answer', `a body of ${body.length} bytes: ${least} expected`)
  return new DataView(body.buffer, body.byteOffset, body.byteLength)
}
