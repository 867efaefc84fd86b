import { DeviceError } from '@bis/hyperv-types'
import {
  channelProperties,
  fibreChannelWwn,
  formatVstorVersion,
  STORAGE_CHANNEL_SUPPORTS_MULTI_CHANNEL,
  VSTOR_PACKET_BYTES_SHORT,
  VSTOR_SRB_OFFSET,
  VSTOR_VERSIONS,
  VstorOperation,
  VstorVersion,
  vstorPacketBytes,
} from '@bis/hyperv-types/storage'
import type { ControlExchange } from './exchange.ts'

/** World-wide names of a Fibre Channel adapter: 16 hexadecimal digits each. */
export interface WorldWideNames {
  readonly port: string
  readonly node: string
}

/** What the host agreed to. */
export interface Negotiated {
  /** VSTOR version, major << 8 | minor. */
  readonly version: number
  /** Longest transfer that the host takes, in bytes: a multiple of 4096, never 0. */
  readonly maxTransferBytes: number
  /** Sub-channels that the host would give. */
  readonly maxSubchannels: number
  readonly names?: WorldWideNames
}

/** For a host that tells no limit. */
const FALLBACK_TRANSFER = 64 * 1024

/**
 * Initialises the controller: begin, the newest version that both speak, properties, end.
 * @throws DeviceError `attach-failed` when the host refuses a step or speaks no version of ours; `timeout`, `aborted`.
 */
export async function handshake(
  exchange: ControlExchange,
  fibreChannel: boolean,
  signal: AbortSignal,
): Promise<Negotiated> {
  exchange.packetBytes = VSTOR_PACKET_BYTES_SHORT
  await exchange.step('BEGIN_INITIALIZATION', VstorOperation.BEGIN_INITIALIZATION, signal)
  const version = await agreeOnVersion(exchange, signal)
  exchange.packetBytes = vstorPacketBytes(version)
  const answer = await exchange.step('QUERY_PROPERTIES', VstorOperation.QUERY_PROPERTIES, signal)
  const properties = channelProperties.decode(answer.view, VSTOR_SRB_OFFSET)
  const names = fibreChannel ? await queryNames(exchange, signal) : undefined
  await exchange.step('END_INITIALIZATION', VstorOperation.END_INITIALIZATION, signal)
  const multiChannel = (properties.flags & STORAGE_CHANNEL_SUPPORTS_MULTI_CHANNEL) !== 0
  const maxTransferBytes = Math.floor(properties.max_transfer_bytes / 4096) * 4096
  return {
    version,
    maxTransferBytes: maxTransferBytes === 0 ? FALLBACK_TRANSFER : maxTransferBytes,
    maxSubchannels: multiChannel && version >= VstorVersion.V5_1 ? properties.max_channel_cnt : 0,
    ...(names === undefined ? {} : { names }),
  }
}

async function agreeOnVersion(exchange: ControlExchange, signal: AbortSignal): Promise<number> {
  for (const version of VSTOR_VERSIONS) {
    const what = `QUERY_PROTOCOL_VERSION ${formatVstorVersion(version)}`
    const answer = await exchange.ask(what, VstorOperation.QUERY_PROTOCOL_VERSION, signal, version)
    if (answer.status === 0) return version
  }
  const tried = VSTOR_VERSIONS.map(formatVstorVersion).join(', ')
  throw new DeviceError('attach-failed', `the host speaks none of the VSTOR versions ${tried}`)
}

async function queryNames(exchange: ControlExchange, signal: AbortSignal): Promise<WorldWideNames> {
  const answer = await exchange.step('FCHBA_DATA', VstorOperation.FCHBA_DATA, signal)
  return decodeNames(answer.view, VSTOR_SRB_OFFSET)
}

/** The names that count: the primary pair when it is active, else the secondary. */
export function decodeNames(view: DataView, at: number): WorldWideNames {
  const wwn = fibreChannelWwn.decode(view, at)
  return wwn.primary_active !== 0
    ? { port: hex(wwn.primary_port_wwn), node: hex(wwn.primary_node_wwn) }
    : { port: hex(wwn.secondary_port_wwn), node: hex(wwn.secondary_node_wwn) }
}

function hex(name: Uint8Array): string {
  return Array.from(name, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
