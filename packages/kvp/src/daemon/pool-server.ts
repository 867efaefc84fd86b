import { IcStatus, KVP_AUTO_KEYS, KvpPool as Pool } from '@bis/hyperv-types/ic'
import { KvpError } from '../errors.ts'
import type { IpInformation } from '../ip/ip-information.ts'
import { checkSetting, validOnly } from '../ip/ip-information.ts'
import type { KvpPool, KvpPoolNumber } from '../pool/pool.ts'
import type { KvpReply, KvpRequest, KvpServer } from '../request.ts'

/** The values of the auto pool by their names; what is missing is empty. */
export type AutoValues = Partial<Readonly<Record<(typeof KVP_AUTO_KEYS)[number], string>>>

/** The network of the system that a daemon speaks for. */
export interface NetworkConfiguration {
  /** @param adapterId a MAC address. @throws KvpError `unknown-adapter` */
  get(adapterId: string): Promise<IpInformation>
  /** Checked information. @throws KvpError `unknown-adapter`, `failed` */
  set(information: IpInformation): Promise<void>
}

export interface PoolServerOptions {
  /** The pools, by their numbers. */
  readonly pools: readonly KvpPool[]
  /** What the auto pool says of the system, asked for each enumeration of it. */
  readonly autoValues: () => AutoValues
  /** Default: requests for IP information are not supported. */
  readonly network?: NetworkConfiguration
}

/** What both systems' daemons answer for what is not there. */
const NOTHING: KvpReply = { status: IcStatus.CONTINUE }
const DONE: KvpReply = { status: IcStatus.S_OK }

/** Answers a host from pools: what the distributions' daemons do. */
export class PoolServer implements KvpServer {
  readonly #options: PoolServerOptions

  constructor(options: PoolServerOptions) {
    this.#options = options
  }

  /** What is asked of a pool whose file is not there yet is not there either. */
  async serve(request: KvpRequest): Promise<KvpReply> {
    try {
      return await this.#serve(request)
    } catch (error) {
      if (error instanceof KvpError && error.code === 'no-pool' && request.operation !== 'set') return NOTHING
      throw error
    }
  }

  async #serve(request: KvpRequest): Promise<KvpReply> {
    const { network } = this.#options
    switch (request.operation) {
      case 'get': {
        const value = await this.#pool(request.pool).get(request.key)
        return value === undefined ? NOTHING : { status: IcStatus.S_OK, value }
      }
      case 'set':
        await this.#pool(request.pool).set(request.key, request.value, { limit: 'file' })
        return DONE
      case 'delete':
        return (await this.#pool(request.pool).delete(request.key)) ? DONE : NOTHING
      case 'enumerate':
        return this.#enumerate(request.pool, request.index)
      case 'get-ip':
        if (network === undefined) return { status: IcStatus.NOT_SUPPORTED }
        return { status: IcStatus.S_OK, information: validOnly(await network.get(request.adapterId)) }
      case 'set-ip':
        if (network === undefined) return { status: IcStatus.NOT_SUPPORTED }
        checkSetting(request.information)
        await network.set(request.information)
        return DONE
    }
  }

  async #enumerate(pool: KvpPoolNumber, index: number): Promise<KvpReply> {
    if (pool === Pool.AUTO) {
      const key = KVP_AUTO_KEYS[index]
      return key === undefined ? NOTHING : { status: IcStatus.S_OK, key, value: this.#options.autoValues()[key] ?? '' }
    }
    const entry = await this.#pool(pool).at(index)
    return entry === undefined ? NOTHING : { status: IcStatus.S_OK, key: entry.key, value: entry.value }
  }

  #pool(number: KvpPoolNumber): KvpPool {
    const pool = this.#options.pools[number]
    if (pool === undefined) throw new RangeError(`there is no pool ${number}`)
    return pool
  }
}
