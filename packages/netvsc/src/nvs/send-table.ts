import type { Packet } from '@bis/hyperv-types'
import {
  NVSP_INDIRECTION_TABLE_ENTRIES,
  NVSP_INDIRECTION_TABLE_MESSAGE_BYTES,
  NVSP_INDIRECTION_TABLE_OFFSET,
  NvspVersion,
} from '@bis/hyperv-types/network'

/** Which channel the host wants a flow's frames on: 16 entries, picked by the low bits of the flow's hash. */
export class SendTable {
  readonly #entries = new Uint8Array(NVSP_INDIRECTION_TABLE_ENTRIES)
  /** The host has sent a table: it counts more than our own. */
  fromHost = false

  /** Spreads flows over so many channels, unless the host has said how. */
  spread(channels: number): void {
    if (this.fromHost) return
    for (let i = 0; i < NVSP_INDIRECTION_TABLE_ENTRIES; i++) this.#entries[i] = i % channels
  }

  reset(): void {
    this.fromHost = false
    this.#entries.fill(0)
  }

  /** Channel of a hash; never beyond the channels there are. */
  channelOf(hash: number, channels: number): number {
    const entry = this.#entries[hash & (NVSP_INDIRECTION_TABLE_ENTRIES - 1)] ?? 0
    return entry < channels ? entry : entry % channels
  }

  get entries(): readonly number[] {
    return [...this.#entries]
  }

  /**
   * Takes over the host's table. The offset counts from the message. Up to version 6 a long message's offset may be wrong:
   * there the table lies at its end.
   * @returns false, with nothing changed, when the table does not lie in the message
   */
  read(packet: Packet, version: number): boolean {
    const { view, dataOffset: at, dataLength } = packet
    if (dataLength < 12) return false
    const count = view.getUint32(at + 4, true)
    const told = view.getUint32(at + 8, true)
    const long = version <= NvspVersion.V6 && dataLength >= NVSP_INDIRECTION_TABLE_MESSAGE_BYTES
    const offset = long ? NVSP_INDIRECTION_TABLE_OFFSET : told
    const tableBytes = NVSP_INDIRECTION_TABLE_ENTRIES * 4
    if (count !== NVSP_INDIRECTION_TABLE_ENTRIES || offset < 12) return false
    if (offset > dataLength - tableBytes) return false
    for (let i = 0; i < count; i++) this.#entries[i] = Math.min(view.getUint32(at + offset + i * 4, true), 0xff)
    this.fromHost = true
    return true
  }
}
