import { NDIS_6_30, Oid } from '@bis/hyperv-types/network'
import { encodeUtf16 } from '@bis/hyperv-types/struct'
import type { ControlledAdapter } from './controlled-adapter.ts'
import { MOST_MULTICAST } from './controlled-adapter.ts'
import { encapsulation, linkState, scalingCapabilities } from './ndis-objects.ts'

const ETHERNET_HEADER_BYTES = 14
const BUFFER_SPACE = 262_144
const VENDOR_ID = 0x155d
const MAC_OPTIONS = 0x24d
const MOST_WORD = 0xffff_ffff

/** @param asked data that came with the query. @returns undefined for what the guest's NDIS version does not have */
type Query = (adapter: ControlledAdapter, asked: Uint8Array) => Uint8Array | undefined

/** @returns the value of an OID, or undefined when there is none */
export function queryOid(adapter: ControlledAdapter, oid: number, asked: Uint8Array): Uint8Array | undefined {
  return QUERIES.get(oid)?.(adapter, asked)
}

const zero: Query = () => words(0)
const frameBytes: Query = ({ session }) => words(session.frameBytes)
const mtu: Query = ({ session }) => words(session.frameBytes - ETHERNET_HEADER_BYTES)
const bufferSpace: Query = () => words(BUFFER_SPACE)
const driverVersion: Query = () => Uint8Array.of(0, 1)

const QUERIES: ReadonlyMap<number, Query> = new Map<number, Query>([
  [Oid.GEN_SUPPORTED_LIST, () => words(...SUPPORTED)],
  [Oid.GEN_HARDWARE_STATUS, zero],
  [Oid.GEN_MEDIA_SUPPORTED, zero],
  [Oid.GEN_MEDIA_IN_USE, zero],
  [Oid.GEN_MAXIMUM_LOOKAHEAD, mtu],
  [Oid.GEN_CURRENT_LOOKAHEAD, mtu],
  [Oid.GEN_MAXIMUM_FRAME_SIZE, mtu],
  [Oid.GEN_LINK_SPEED, ({ linkSpeed }) => words(Math.min(Math.floor(linkSpeed / 100), MOST_WORD))],
  [Oid.GEN_TRANSMIT_BUFFER_SPACE, bufferSpace],
  [Oid.GEN_RECEIVE_BUFFER_SPACE, bufferSpace],
  [Oid.GEN_TRANSMIT_BLOCK_SIZE, frameBytes],
  [Oid.GEN_RECEIVE_BLOCK_SIZE, frameBytes],
  [Oid.GEN_MAXIMUM_TOTAL_SIZE, frameBytes],
  [Oid.GEN_VENDOR_ID, () => words(VENDOR_ID)],
  [Oid.GEN_VENDOR_DESCRIPTION, () => new TextEncoder().encode('Microsoft Corporation\0')],
  [Oid.GEN_CURRENT_PACKET_FILTER, ({ filter }) => words(filter)],
  [Oid.GEN_DRIVER_VERSION, driverVersion],
  [Oid.GEN_VENDOR_DRIVER_VERSION, driverVersion],
  [Oid.GEN_MAC_OPTIONS, () => words(MAC_OPTIONS)],
  [Oid.GEN_MEDIA_CONNECT_STATUS, ({ linkUp }) => words(linkUp ? 0 : 1)],
  [Oid.GEN_MAXIMUM_SEND_PACKETS, () => words(MOST_WORD)],
  [Oid.GEN_XMIT_OK, ({ counters }) => words(low(counters.txFrames))],
  [Oid.GEN_RCV_OK, ({ counters }) => words(low(counters.rxFrames))],
  [Oid.GEN_XMIT_ERROR, ({ counters }) => words(counters.badFrame)],
  [Oid.GEN_RCV_ERROR, zero],
  [Oid.GEN_RCV_NO_BUFFER, ({ counters }) => words(low(counters.rxNoBuffer))],
  [Oid.GEN_LINK_STATE, ({ linkUp, linkSpeed }) => linkState(linkUp, linkSpeed)],
  [Oid.GEN_MAX_LINK_SPEED, ({ linkSpeed: speed }) => words(low(speed), high(speed), low(speed), high(speed))],
  [Oid.GEN_FRIENDLY_NAME, ({ friendlyName }) => encodeUtf16(`${friendlyName}\0`)],
  [Oid.ETHERNET_PERMANENT_ADDRESS, ({ permanentAddress }) => permanentAddress],
  [Oid.ETHERNET_CURRENT_ADDRESS, ({ currentAddress }) => currentAddress],
  [Oid.ETHERNET_MAXIMUM_LIST_SIZE, () => words(MOST_MULTICAST)],
  [Oid.ETHERNET_RCV_ERROR_ALIGNMENT, zero],
  [Oid.ETHERNET_XMIT_ONE_COLLISION, zero],
  [Oid.ETHERNET_XMIT_MORE_COLLISIONS, zero],
  [Oid.OFFLOAD_ENCAPSULATION, () => encapsulation()],
  [Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES, ({ offloads }, asked) => offloads.capabilities(revisionOf(asked))],
  [Oid.TCP_OFFLOAD_CURRENT_CONFIG, ({ offloads }, asked) => offloads.current(revisionOf(asked))],
  [
    Oid.GEN_RECEIVE_SCALE_CAPABILITIES,
    ({ session, maxQueues }) => (session.ndisVersion >= NDIS_6_30 ? scalingCapabilities(maxQueues) : undefined),
  ],
])

/** What the guest is told of the list: less than is answered, as the Windows host does. */
const SUPPORTED: readonly number[] = [
  Oid.GEN_SUPPORTED_LIST,
  Oid.GEN_HARDWARE_STATUS,
  Oid.GEN_MEDIA_SUPPORTED,
  Oid.GEN_MEDIA_IN_USE,
  Oid.GEN_MAXIMUM_FRAME_SIZE,
  Oid.GEN_LINK_SPEED,
  Oid.GEN_VENDOR_ID,
  Oid.GEN_VENDOR_DESCRIPTION,
  Oid.GEN_CURRENT_PACKET_FILTER,
  Oid.GEN_MAXIMUM_TOTAL_SIZE,
  Oid.GEN_MAC_OPTIONS,
  Oid.GEN_MEDIA_CONNECT_STATUS,
  Oid.GEN_MAXIMUM_SEND_PACKETS,
  Oid.ETHERNET_PERMANENT_ADDRESS,
  Oid.ETHERNET_CURRENT_ADDRESS,
  Oid.ETHERNET_MULTICAST_LIST,
  Oid.ETHERNET_MAXIMUM_LIST_SIZE,
  Oid.GEN_FRIENDLY_NAME,
  Oid.GEN_LINK_STATE,
  Oid.GEN_MAX_LINK_SPEED,
  Oid.OFFLOAD_ENCAPSULATION,
  Oid.TCP_OFFLOAD_CURRENT_CONFIG,
  Oid.TCP_OFFLOAD_PARAMETERS,
  Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES,
  Oid.GEN_RECEIVE_SCALE_CAPABILITIES,
  Oid.GEN_RECEIVE_SCALE_PARAMETERS,
  Oid.GEN_RNDIS_CONFIG_PARAMETER,
]

/** Revision that the object header of a query asks for; 0 without one, for the newest. */
function revisionOf(asked: Uint8Array): number {
  return asked.length >= 4 ? (asked[1] ?? 0) : 0
}

function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true)
  })
  return new Uint8Array(view.buffer)
}

function low(value: number): number {
  return value % 2 ** 32
}

function high(value: number): number {
  return Math.floor(value / 2 ** 32)
}
