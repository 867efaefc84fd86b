import { isGroup } from '@bis/hyperv-types/ethernet'
import {
  describeOid,
  NDIS_6_30,
  ndisOffloadEncapsulation,
  Oid,
  RndisStatus,
  rndisConfigParameter,
} from '@bis/hyperv-types/network'
import { readUtf16 } from '@bis/hyperv-types/struct'
import type { ControlledAdapter } from './controlled-adapter.ts'
import { MOST_MULTICAST } from './controlled-adapter.ts'

const MOST_TEXT_BYTES = 510

/** @returns an `RndisStatus`; nothing has changed unless it is SUCCESS */
type Setting = (adapter: ControlledAdapter, data: Uint8Array) => number

/** Does what a SET asks for. @returns an `RndisStatus` */
export function setOid(adapter: ControlledAdapter, oid: number, data: Uint8Array): number {
  const setting = SETTINGS.get(oid)
  if (setting !== undefined) return setting(adapter, data)
  return describeOid(oid).startsWith('OID') ? RndisStatus.INVALID_OID : RndisStatus.NOT_SUPPORTED
}

/** Taken, and of no consequence here. */
const taken: Setting = () => RndisStatus.SUCCESS

const SETTINGS: ReadonlyMap<number, Setting> = new Map<number, Setting>([
  [Oid.GEN_CURRENT_PACKET_FILTER, setFilter],
  [Oid.ETHERNET_MULTICAST_LIST, setMulticast],
  [Oid.GEN_NETWORK_LAYER_ADDRESSES, taken],
  [Oid.GEN_CURRENT_LOOKAHEAD, taken],
  [Oid.GEN_LINK_PARAMETERS, taken],
  [Oid.TCP_OFFLOAD_PARAMETERS, setOffloads],
  [
    Oid.OFFLOAD_ENCAPSULATION,
    (_, { length }) => (length < ndisOffloadEncapsulation.size ? RndisStatus.INVALID_LENGTH : RndisStatus.SUCCESS),
  ],
  [Oid.GEN_RECEIVE_SCALE_PARAMETERS, setScaling],
  [Oid.GEN_RNDIS_CONFIG_PARAMETER, setParameter],
])

function setFilter(adapter: ControlledAdapter, data: Uint8Array): number {
  if (data.length < 4) return RndisStatus.INVALID_LENGTH
  adapter.filter = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true)
  adapter.filterChanged()
  return RndisStatus.SUCCESS
}

function setMulticast(adapter: ControlledAdapter, data: Uint8Array): number {
  if (data.length % 6 !== 0) return RndisStatus.INVALID_LENGTH
  if (data.length / 6 > MOST_MULTICAST) return RndisStatus.MULTICAST_FULL
  const list: Uint8Array[] = []
  for (let at = 0; at < data.length; at += 6) {
    if (!isGroup(data, at)) return RndisStatus.INVALID_DATA
    list.push(data.slice(at, at + 6))
  }
  adapter.multicast = list
  adapter.filterChanged()
  return RndisStatus.SUCCESS
}

function setOffloads(adapter: ControlledAdapter, data: Uint8Array): number {
  if (!adapter.offloads.set(data)) return RndisStatus.INVALID_DATA
  adapter.offloadsChanged()
  return RndisStatus.SUCCESS
}

function setScaling({ session, scaling, queueCount }: ControlledAdapter, data: Uint8Array): number {
  if (session.ndisVersion < NDIS_6_30) return RndisStatus.NOT_SUPPORTED
  return scaling.set(data, queueCount) ? RndisStatus.SUCCESS : RndisStatus.INVALID_DATA
}

/** A parameter of the registry by its name: the address, or an offload. */
function setParameter(adapter: ControlledAdapter, data: Uint8Array): number {
  const parameter = readParameter(data)
  if (parameter === undefined) return RndisStatus.INVALID_LENGTH
  const { name, value } = parameter
  if (name.toLowerCase() !== 'networkaddress') {
    adapter.offloads.setParameter(name, value)
    return RndisStatus.SUCCESS
  }
  if (!/^[0-9a-f]{12}$/i.test(value)) return RndisStatus.INVALID_DATA
  const address = Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(value.slice(i * 2, i * 2 + 2), 16))
  if (isGroup(address, 0) || !adapter.setAddress(address)) return RndisStatus.FAILURE
  return RndisStatus.SUCCESS
}

/** Name and value in UTF-16, each inside what was sent. */
function readParameter(data: Uint8Array): { readonly name: string; readonly value: string } | undefined {
  const { length } = data
  if (length < rndisConfigParameter.size) return undefined
  const told = rndisConfigParameter.decode(data)
  const view = new DataView(data.buffer, data.byteOffset, length)
  const text = (from: number, size: number): string | undefined => {
    const fits = from <= length && size <= length - from && size <= MOST_TEXT_BYTES && size % 2 === 0
    return fits ? readUtf16(view, from, size) : undefined
  }
  const name = text(told.parameter_name_offset, told.parameter_name_length)
  const value = text(told.parameter_value_offset, told.parameter_value_length)
  return name === undefined || value === undefined ? undefined : { name, value }
}
