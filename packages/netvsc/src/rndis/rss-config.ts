import {
  NdisObjectType,
  ndisObjectHeader,
  RSS_KEY_BYTES,
  RssCapability,
  RssHash,
  RssParameterFlag,
  rssCapabilities,
  rssParameters,
} from '@bis/hyperv-types/network'

/** Entries of the table at most; hosts have 128. */
const MOST_ENTRIES = 128

/** What the host can scale to. */
export interface RssCapabilities {
  readonly queues: number
  /** Entries of the indirection table; a power of two, 0 for none. */
  readonly entries: number
  /** `RssHash` bits that may be asked for. */
  readonly hashes: number
}

export const NO_RSS: RssCapabilities = { queues: 1, entries: 0, hashes: 0 }

export function rssQuery(): Uint8Array {
  const data = new Uint8Array(rssCapabilities.size)
  const header = { type: NdisObjectType.RSS_CAPABILITIES, revision: 2, object_size: data.length }
  ndisObjectHeader.encode(header, data)
  return data
}

/** @returns no scaling when the answer makes no sense */
export function readRssCapabilities(answer: Uint8Array): RssCapabilities {
  if (answer.length < 16) return NO_RSS
  const bytes = new Uint8Array(rssCapabilities.size)
  bytes.set(answer.subarray(0, bytes.length))
  const { hdr, cap_flag, num_recv_que, num_indirect_tabent } = rssCapabilities.decode(bytes)
  if (hdr.type !== NdisObjectType.RSS_CAPABILITIES || (cap_flag & RssCapability.TOEPLITZ) === 0) return NO_RSS
  const told = answer.length < rssCapabilities.size ? MOST_ENTRIES : num_indirect_tabent
  const entries = Math.min(told, MOST_ENTRIES)
  let hashes = RssHash.TOEPLITZ
  if ((cap_flag & RssCapability.TCP_IPV4) !== 0) hashes |= RssHash.IPV4 | RssHash.TCP_IPV4
  if ((cap_flag & RssCapability.TCP_IPV6) !== 0) hashes |= RssHash.IPV6 | RssHash.TCP_IPV6
  if ((cap_flag & RssCapability.UDP_IPV4) !== 0) hashes |= RssHash.UDP_IPV4
  if ((cap_flag & RssCapability.UDP_IPV6) !== 0) hashes |= RssHash.UDP_IPV6
  return { queues: Math.max(1, num_recv_que), entries: 2 ** Math.floor(Math.log2(Math.max(entries, 1))), hashes }
}

/** The object that switches scaling off: what a change begins with, as "unchanged" flags are not to be relied on. */
export function rssOff(): Uint8Array {
  return encode(RssParameterFlag.DISABLE, 0, [], [])
}

/** @param table channel index by entry; `key` 40 bytes */
export function rssOn(hashes: number, table: ArrayLike<number>, key: ArrayLike<number>): Uint8Array {
  return encode(0, hashes, table, key)
}

function encode(flag: number, hashinfo: number, table: ArrayLike<number>, key: ArrayLike<number>): Uint8Array {
  const tableBytes = table.length * 4
  const bytes = new Uint8Array(rssParameters.size + tableBytes + key.length)
  rssParameters.encode(
    {
      hdr: { type: NdisObjectType.RSS_PARAMETERS, revision: 2, object_size: rssParameters.size },
      flag,
      base_cpu_number: 0,
      hashinfo,
      indirect_tabsize: tableBytes,
      indirect_taboffset: rssParameters.size,
      hashkey_size: key.length === 0 ? 0 : RSS_KEY_BYTES,
      hashkey_offset: rssParameters.size + tableBytes,
      processor_masks_offset: 0,
      num_processor_masks: 0,
      processor_masks_entry_size: 0,
    },
    bytes,
  )
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < table.length; i++) view.setUint32(rssParameters.size + i * 4, table[i] ?? 0, true)
  bytes.set(Array.from(key), rssParameters.size + tableBytes)
  return bytes
}
