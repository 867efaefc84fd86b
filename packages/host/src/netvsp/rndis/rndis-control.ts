import { isGroup } from '@bis/hyperv-types/ethernet'
import {
  describeOid,
  NDIS_6_30,
  NDIS_ENCAPSULATION_8023,
  NdisMediaConnectState,
  NdisObjectType,
  ndisLinkState,
  ndisOffloadEncapsulation,
  Oid,
  RNDIS_DEVICE_CONNECTIONLESS,
  RNDIS_HEADER_BYTES,
  RNDIS_MAJOR_VERSION,
  RNDIS_MEDIUM_802_3,
  RNDIS_QUERY_COMPLETE_DATA_OFFSET,
  RndisMessageType,
  RndisStatus,
  RssCapability,
  rndisConfigParameter,
  rndisMessage,
  rssCapabilities,
} from '@bis/hyperv-types/network'
import { encodeUtf16, readUtf16 } from '@bis/hyperv-types/struct'
import type { AdapterCounters } from '../counters.ts'
import type { NvspSession } from '../nvsp/session.ts'
import type { ReceiveScaling } from '../receive/rss.ts'
import type { Offloads } from './offloads.ts'

/** PACKET messages in one message at most, and the power of two that each begins at. */
const MAX_PACKETS = 8
const ALIGNMENT = 3
const MAX_TRANSFER = 0xefff_ffff
const RSS_TABLE_ENTRIES = 128
const MOST_MULTICAST = 64
const REQUEST_BYTES = 28
const MAC_OPTIONS = 0x24d

/** What the adapter is, for the guest's questions, and what the guest's requests do to it. */
export interface ControlledAdapter {
  readonly session: NvspSession
  readonly counters: AdapterCounters
  readonly offloads: Offloads
  readonly scaling: ReceiveScaling
  readonly permanentAddress: Uint8Array
  readonly currentAddress: Uint8Array
  /** Bit/s. */
  readonly linkSpeed: number
  readonly linkUp: boolean
  readonly friendlyName: string
  /** Queues that may be used. */
  readonly maxQueues: number
  /** Queues that are open. */
  readonly queueCount: number
  filter: number
  multicast: readonly Uint8Array[]
  filterChanged(): void
  offloadsChanged(): void
  /** @returns whether the switch lets it have this address */
  setAddress(address: Uint8Array): boolean
}

/**
 * Answers a guest's RNDIS requests. Each is a message of its own in private memory; whatever is wrong with it ends in a
 * status.
 */
export class RndisControl {
  readonly #adapter: ControlledAdapter

  constructor(adapter: ControlledAdapter) {
    this.#adapter = adapter
  }

  /** @returns the answer, or undefined when the message has none; `malformed` when it is no request */
  answer(bytes: Uint8Array, length: number): Uint8Array | undefined | 'malformed' {
    if (length < RNDIS_HEADER_BYTES + 4) return 'malformed'
    const view = new DataView(bytes.buffer, bytes.byteOffset, length)
    const type = view.getUint32(0, true)
    const told = view.getUint32(4, true)
    if (told > length || told < RNDIS_HEADER_BYTES + 4) return 'malformed'
    const id = view.getUint32(8, true)
    switch (type) {
      case RndisMessageType.INIT:
        return told < 24 ? 'malformed' : this.#initialize(id, view.getUint32(12, true))
      case RndisMessageType.HALT:
        this.#adapter.filter = 0
        this.#adapter.filterChanged()
        return undefined
      case RndisMessageType.QUERY:
        return told < REQUEST_BYTES ? 'malformed' : this.#query(view, bytes, id, told)
      case RndisMessageType.SET:
        return told < REQUEST_BYTES ? 'malformed' : this.#set(view, bytes, id, told)
      case RndisMessageType.RESET:
        return encode(RndisMessageType.RESET_C, { reset_complete: { status: 0, addressing_reset: 0 } }, 16)
      case RndisMessageType.KEEPALIVE:
        return encode(RndisMessageType.KEEPALIVE_C, { keep_alive_complete: { req_id: id, status: 0 } }, 16)
      default:
        return 'malformed'
    }
  }

  #initialize(id: number, major: number): Uint8Array {
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

  #query(view: DataView, bytes: Uint8Array, id: number, told: number): Uint8Array {
    const oid = view.getUint32(12, true)
    const room = view.getUint32(16, true)
    const offset = view.getUint32(20, true)
    const fits = offset <= told - RNDIS_HEADER_BYTES && room <= told - RNDIS_HEADER_BYTES - offset
    const asked = fits ? bytes.subarray(RNDIS_HEADER_BYTES + offset, RNDIS_HEADER_BYTES + offset + room) : NONE
    const data = this.#value(oid, asked)
    const status = data === undefined ? RndisStatus.NOT_SUPPORTED : RndisStatus.SUCCESS
    if (data === undefined) this.#adapter.counters.refusedRequests++
    const info_buflen = data?.length ?? 0
    const query_complete = { req_id: id, status, info_buflen, info_buf_offset: RNDIS_QUERY_COMPLETE_DATA_OFFSET }
    const reply = encode(RndisMessageType.QUERY_C, { query_complete }, 24 + info_buflen)
    if (data !== undefined) reply.set(data, 24)
    return reply
  }

  #value(oid: number, asked: Uint8Array): Uint8Array | undefined {
    const adapter = this.#adapter
    const { frameBytes } = adapter.session
    switch (oid) {
      case Oid.GEN_SUPPORTED_LIST:
        return words(...SUPPORTED)
      case Oid.GEN_HARDWARE_STATUS:
      case Oid.GEN_MEDIA_SUPPORTED:
      case Oid.GEN_MEDIA_IN_USE:
      case Oid.ETHERNET_RCV_ERROR_ALIGNMENT:
      case Oid.ETHERNET_XMIT_ONE_COLLISION:
      case Oid.ETHERNET_XMIT_MORE_COLLISIONS:
        return words(0)
      case Oid.GEN_MAXIMUM_LOOKAHEAD:
      case Oid.GEN_CURRENT_LOOKAHEAD:
      case Oid.GEN_MAXIMUM_FRAME_SIZE:
        return words(frameBytes - 14)
      case Oid.GEN_LINK_SPEED:
        return words(Math.min(Math.floor(adapter.linkSpeed / 100), 0xffff_ffff))
      case Oid.GEN_TRANSMIT_BUFFER_SPACE:
      case Oid.GEN_RECEIVE_BUFFER_SPACE:
        return words(262_144)
      case Oid.GEN_TRANSMIT_BLOCK_SIZE:
      case Oid.GEN_RECEIVE_BLOCK_SIZE:
      case Oid.GEN_MAXIMUM_TOTAL_SIZE:
        return words(frameBytes)
      case Oid.GEN_VENDOR_ID:
        return words(0x155d)
      case Oid.GEN_VENDOR_DESCRIPTION:
        return new TextEncoder().encode('Microsoft Corporation\0')
      case Oid.GEN_CURRENT_PACKET_FILTER:
        return words(adapter.filter)
      case Oid.GEN_DRIVER_VERSION:
      case Oid.GEN_VENDOR_DRIVER_VERSION:
        return Uint8Array.of(0, 1)
      case Oid.GEN_MAC_OPTIONS:
        return words(MAC_OPTIONS)
      case Oid.GEN_MEDIA_CONNECT_STATUS:
        return words(adapter.linkUp ? 0 : 1)
      case Oid.GEN_MAXIMUM_SEND_PACKETS:
        return words(0xffff_ffff)
      case Oid.GEN_XMIT_OK:
        return words(adapter.counters.txFrames % 2 ** 32)
      case Oid.GEN_RCV_OK:
        return words(adapter.counters.rxFrames % 2 ** 32)
      case Oid.GEN_XMIT_ERROR:
        return words(adapter.counters.badFrame)
      case Oid.GEN_RCV_ERROR:
        return words(0)
      case Oid.GEN_RCV_NO_BUFFER:
        return words(adapter.counters.rxNoBuffer % 2 ** 32)
      case Oid.GEN_LINK_STATE:
        return this.#linkState()
      case Oid.GEN_MAX_LINK_SPEED:
        return words(
          adapter.linkSpeed % 2 ** 32,
          high(adapter.linkSpeed),
          adapter.linkSpeed % 2 ** 32,
          high(adapter.linkSpeed),
        )
      case Oid.GEN_FRIENDLY_NAME:
        return encodeUtf16(`${adapter.friendlyName}\0`)
      case Oid.ETHERNET_PERMANENT_ADDRESS:
        return adapter.permanentAddress
      case Oid.ETHERNET_CURRENT_ADDRESS:
        return adapter.currentAddress
      case Oid.ETHERNET_MAXIMUM_LIST_SIZE:
        return words(MOST_MULTICAST)
      case Oid.OFFLOAD_ENCAPSULATION:
        return encapsulation()
      case Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES:
        return adapter.offloads.capabilities(asked.length >= 4 ? (asked[1] ?? 0) : 0)
      case Oid.TCP_OFFLOAD_CURRENT_CONFIG:
        return adapter.offloads.current(asked.length >= 4 ? (asked[1] ?? 0) : 0)
      case Oid.GEN_RECEIVE_SCALE_CAPABILITIES:
        return adapter.session.ndisVersion >= NDIS_6_30 ? this.#rssCapabilities() : undefined
      default:
        return undefined
    }
  }

  #set(view: DataView, bytes: Uint8Array, id: number, told: number): Uint8Array {
    const oid = view.getUint32(12, true)
    const length = view.getUint32(16, true)
    const offset = view.getUint32(20, true)
    const fits = offset <= told - RNDIS_HEADER_BYTES && length <= told - RNDIS_HEADER_BYTES - offset
    const status = fits ? this.#change(oid, bytes, RNDIS_HEADER_BYTES + offset, length) : RndisStatus.INVALID_LENGTH
    if (status !== RndisStatus.SUCCESS) this.#adapter.counters.refusedRequests++
    return encode(RndisMessageType.SET_C, { set_complete: { req_id: id, status } }, 16)
  }

  #change(oid: number, bytes: Uint8Array, at: number, length: number): number {
    const adapter = this.#adapter
    switch (oid) {
      case Oid.GEN_CURRENT_PACKET_FILTER:
        if (length < 4) return RndisStatus.INVALID_LENGTH
        adapter.filter = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true)
        adapter.filterChanged()
        return RndisStatus.SUCCESS
      case Oid.ETHERNET_MULTICAST_LIST:
        return this.#setMulticast(bytes, at, length)
      case Oid.GEN_NETWORK_LAYER_ADDRESSES:
      case Oid.GEN_CURRENT_LOOKAHEAD:
      case Oid.GEN_LINK_PARAMETERS:
        return RndisStatus.SUCCESS
      case Oid.TCP_OFFLOAD_PARAMETERS:
        if (!adapter.offloads.set(bytes, at, length)) return RndisStatus.INVALID_DATA
        adapter.offloadsChanged()
        return RndisStatus.SUCCESS
      case Oid.OFFLOAD_ENCAPSULATION:
        return length < ndisOffloadEncapsulation.size ? RndisStatus.INVALID_LENGTH : RndisStatus.SUCCESS
      case Oid.GEN_RECEIVE_SCALE_PARAMETERS:
        if (adapter.session.ndisVersion < NDIS_6_30) return RndisStatus.NOT_SUPPORTED
        return adapter.scaling.set(bytes, at, length, adapter.queueCount)
          ? RndisStatus.SUCCESS
          : RndisStatus.INVALID_DATA
      case Oid.GEN_RNDIS_CONFIG_PARAMETER:
        return this.#setParameter(bytes, at, length)
      default:
        return describeOid(oid).startsWith('OID') ? RndisStatus.INVALID_OID : RndisStatus.NOT_SUPPORTED
    }
  }

  #setMulticast(bytes: Uint8Array, at: number, length: number): number {
    if (length % 6 !== 0) return RndisStatus.INVALID_LENGTH
    if (length / 6 > MOST_MULTICAST) return RndisStatus.MULTICAST_FULL
    const list: Uint8Array[] = []
    for (let i = at; i < at + length; i += 6) {
      if (!isGroup(bytes, i)) return RndisStatus.INVALID_DATA
      list.push(bytes.slice(i, i + 6))
    }
    this.#adapter.multicast = list
    this.#adapter.filterChanged()
    return RndisStatus.SUCCESS
  }

  /** Name and value in UTF-16, each inside what was sent. */
  #setParameter(bytes: Uint8Array, at: number, length: number): number {
    if (length < rndisConfigParameter.size) return RndisStatus.INVALID_LENGTH
    const value = rndisConfigParameter.decode(bytes.subarray(at, at + length))
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, length)
    const text = (from: number, size: number): string | undefined =>
      from > length || size > length - from || size > 510 || size % 2 !== 0 ? undefined : readUtf16(view, from, size)
    const name = text(value.parameter_name_offset, value.parameter_name_length)
    const setting = text(value.parameter_value_offset, value.parameter_value_length)
    if (name === undefined || setting === undefined) return RndisStatus.INVALID_LENGTH
    if (name.toLowerCase() !== 'networkaddress') {
      this.#adapter.offloads.setParameter(name, setting)
      return RndisStatus.SUCCESS
    }
    if (!/^[0-9a-f]{12}$/i.test(setting)) return RndisStatus.INVALID_DATA
    const address = Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(setting.slice(i * 2, i * 2 + 2), 16))
    if (isGroup(address, 0) || !this.#adapter.setAddress(address)) return RndisStatus.FAILURE
    return RndisStatus.SUCCESS
  }

  #linkState(): Uint8Array {
    const { linkSpeed, linkUp } = this.#adapter
    const { CONNECTED, DISCONNECTED } = NdisMediaConnectState
    return ndisLinkState.encode({
      header: { type: NdisObjectType.DEFAULT, revision: 1, object_size: ndisLinkState.size },
      media_connect_state: linkUp ? CONNECTED : DISCONNECTED,
      media_duplex_state: 0,
      xmit_link_speed: linkSpeed,
      rcv_link_speed: linkSpeed,
      pause_functions: 0,
      auto_negotiation_flags: 0,
    })
  }

  #rssCapabilities(): Uint8Array {
    const { TOEPLITZ, TCP_IPV4, TCP_IPV6, UDP_IPV4, UDP_IPV6 } = RssCapability
    return rssCapabilities.encode({
      hdr: { type: NdisObjectType.RSS_CAPABILITIES, revision: 2, object_size: rssCapabilities.size },
      cap_flag: TOEPLITZ | TCP_IPV4 | TCP_IPV6 | UDP_IPV4 | UDP_IPV6,
      num_int_msg: 1,
      num_recv_que: this.#adapter.maxQueues,
      num_indirect_tabent: RSS_TABLE_ENTRIES,
    })
  }
}

type MessageBody = Parameters<typeof rndisMessage.encode>[0]['msg']

function encode(type: number, msg: MessageBody, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, rndisMessage.size))
  rndisMessage.encode({ ndis_msg_type: type, msg_len: length, msg }, bytes)
  return bytes.subarray(0, length)
}

function encapsulation(): Uint8Array {
  return ndisOffloadEncapsulation.encode({
    header: { type: NdisObjectType.OFFLOAD_ENCAPSULATION, revision: 1, object_size: ndisOffloadEncapsulation.size },
    ipv4_enabled: 1,
    ipv4_encapsulation_type: NDIS_ENCAPSULATION_8023,
    ipv4_header_size: 14,
    ipv6_enabled: 1,
    ipv6_encapsulation_type: NDIS_ENCAPSULATION_8023,
    ipv6_header_size: 14,
  })
}

function words(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => {
    view.setUint32(i * 4, value, true)
  })
  return new Uint8Array(view.buffer)
}

function high(value: number): number {
  return Math.floor(value / 2 ** 32)
}

const NONE = new Uint8Array(0)
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
