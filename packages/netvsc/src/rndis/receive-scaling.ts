import { DeviceError } from '@bis/hyperv-types'
import { Oid } from '@bis/hyperv-types/network'
import type { RndisExchange } from './rndis-exchange.ts'
import type { RssCapabilities } from './rss-config.ts'
import { NO_RSS, readRssCapabilities, rssOff, rssOn, rssQuery } from './rss-config.ts'

/** Receive-side scaling of one session: what the host can, and the table it was given. */
export class ReceiveScaling {
  capabilities: RssCapabilities = NO_RSS
  /** Channel by entry; empty before the first {@link program}. */
  table: readonly number[] = []
  readonly #rndis: RndisExchange

  constructor(rndis: RndisExchange) {
    this.#rndis = rndis
  }

  /** Asks what the host can; one that knows no scaling leaves none. @throws DeviceError */
  async learn(): Promise<void> {
    try {
      this.capabilities = readRssCapabilities(await this.#rndis.query(Oid.GEN_RECEIVE_SCALE_CAPABILITIES, rssQuery()))
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'not-supported') throw error
    }
  }

  /** A table of the host's size: `kept` when it fits so many queues, else one that spreads evenly. */
  tableFor(queues: number, kept: readonly number[] | undefined): readonly number[] {
    const { entries } = this.capabilities
    if (kept?.length === entries && kept.every((entry) => entry < queues)) return kept
    return Array.from({ length: entries }, (_, i) => i % queues)
  }

  /** Sets the indirection table and key: off first, then all of it. @throws DeviceError */
  async program(table: readonly number[], key: ArrayLike<number>, queues: number): Promise<void> {
    const { entries, hashes } = this.capabilities
    if (entries === 0 || queues < 2) {
      throw new DeviceError('not-supported', 'there is one queue: no key and no table to set')
    }
    if (table.some((entry) => !(entry >= 0 && entry < queues))) {
      throw new DeviceError('invalid-argument', `the table names queues beyond the ${queues} there are`)
    }
    await this.#rndis.set(Oid.GEN_RECEIVE_SCALE_PARAMETERS, rssOff())
    await this.#rndis.set(Oid.GEN_RECEIVE_SCALE_PARAMETERS, rssOn(hashes, table, key))
    this.table = table
  }
}
