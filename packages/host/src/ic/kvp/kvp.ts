import type { KvpIpInformation } from '@bis/hyperv-types/ic'
import {
  IcMessageType,
  IcStatus,
  icVersionWord,
  KVP_4_0,
  KVP_POOL_COUNT,
  KvpOperation,
  KvpPool,
} from '@bis/hyperv-types/ic'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import { IcError } from '../errors.ts'
import type { IcAnswer } from '../ic-message.ts'
import type { IcKind, IcOptions } from '../integration-component.ts'
import { IntegrationComponent } from '../integration-component.ts'
import type { KvpItem, KvpValue } from './kvp-message.ts'
import { decodeIp, decodeItem, decodeValue, encodeEnumerate, encodeIpRequest, encodeKeyRequest } from './kvp-message.ts'

export interface KvpOptions extends IcOptions {
  /** What the host says of itself, in pool 3; sent again after each negotiation. */
  readonly hostItems?: Readonly<Record<string, string>>
  /** How long the guest may take for a request; default 30,000. */
  readonly timeoutMs?: number
  /** Longest value that reaches who asks, in UTF-16 units, the rest cut off: Azure's fabric passes on 511. */
  readonly valueUnits?: number
}

const KIND: IcKind = {
  name: 'kvp',
  title: 'Key-Value Pair Exchange',
  interfaceId: InterfaceId.KVP,
  instanceId: InstanceId.KVP,
  messageType: IcMessageType.KVP,
}
const FIRST_WITH_IP = 4
const TIMEOUT_MS = 30_000
/** A guest that always has one more item is not believed. */
const MOST_ITEMS = 100_000

/** Reads and writes the key-value pools of a guest. Requests are sent one after the other. */
export class KvpComponent extends IntegrationComponent {
  /** Items of the host that the guest has not taken. */
  itemsRefused = 0
  readonly #items: Map<string, string>
  readonly #timeoutMs: number
  readonly #valueUnits: number | undefined
  /** IP information came to management with 2012, as KVP 4.0 did; a 2008 R2 host asks no guest for it. */
  readonly #knowsIp: boolean
  /** Ends what is being sent when the host negotiates again. */
  #sending = new AbortController()

  constructor(options: KvpOptions) {
    super(KIND, options)
    this.#items = new Map(Object.entries(options.hostItems ?? {}))
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#valueUnits = options.valueUnits
    this.#knowsIp = options.release.ic.kvp.some(({ major }) => major >= FIRST_WITH_IP)
  }

  /**
   * The value of a key, undefined when the guest has none.
   * @throws IcError of every code; `refused` with the guest's status
   */
  async get(pool: number, key: string, signal?: AbortSignal): Promise<string | undefined> {
    const answer = await this.#ask('KVP get', encodeKeyRequest(KvpOperation.GET, check(pool), key), signal)
    return answer === undefined ? undefined : this.#cut(decodeValue(answer.body))
  }

  /** Adds a key, or changes its value. @throws IcError */
  async set(pool: number, key: string, value: KvpValue, signal?: AbortSignal): Promise<void> {
    const body = encodeKeyRequest(KvpOperation.SET, check(pool), key, value)
    if ((await this.#ask('KVP set', body, signal)) === undefined) {
      throw new IcError('refused', 'KVP set: the guest could not store it', IcStatus.CONTINUE)
    }
  }

  /** Removes a key. @returns whether the guest had it. @throws IcError */
  async delete(pool: number, key: string, signal?: AbortSignal): Promise<boolean> {
    const body = encodeKeyRequest(KvpOperation.DELETE, check(pool), key)
    return (await this.#ask('KVP delete', body, signal)) !== undefined
  }

  /** The item with this index, undefined behind the last. @throws IcError */
  async at(pool: number, index: number, signal?: AbortSignal): Promise<KvpItem | undefined> {
    const answer = await this.#ask('KVP enumerate', encodeEnumerate(check(pool), index), signal)
    if (answer === undefined) return undefined
    const { key, value } = decodeItem(answer.body)
    return { key, value: this.#cut(value) }
  }

  /** All items of a pool. @throws IcError */
  async list(pool: number, signal?: AbortSignal): Promise<KvpItem[]> {
    const items: KvpItem[] = []
    for (;;) {
      const item = await this.at(pool, items.length, signal)
      if (item === undefined) return items
      if (items.length === MOST_ITEMS) throw new IcError('bad-answer', `pool ${pool} has more than ${MOST_ITEMS} items`)
      items.push(item)
    }
  }

  /** What the guest tells of an adapter. @param mac `00:15:5D:01:02:03`. @throws IcError */
  async getIp(mac: string, signal?: AbortSignal): Promise<KvpIpInformation> {
    const none = { addressFamily: 0, dhcp: false, addresses: [], subnets: [], gateways: [], dnsServers: [] }
    const asked = { adapterId: mac.toUpperCase(), ...none }
    const { body, version } = await this.#askIp('KVP get IP information', KvpOperation.GET_IP_INFO, asked, signal)
    return decodeIp(body, icVersionWord(version.major, version.minor))
  }

  /** Has the guest configure an adapter, named by its instance id in braces. @throws IcError */
  async setIp(information: KvpIpInformation, signal?: AbortSignal): Promise<void> {
    await this.#askIp('KVP set IP information', KvpOperation.SET_IP_INFO, information, signal)
  }

  /** Changes what the host says of itself; undefined takes it back. The guest is told when it is ready. */
  setHostItem(key: string, value: string | undefined): void {
    if (value === undefined) this.#items.delete(key)
    else this.#items.set(key, value)
    if (this.state === 'ready') void this.#send([[key, value]])
  }

  protected override ready(): void {
    // The guest may have started since: nothing says what it has kept.
    void this.#send([...this.#items])
  }

  protected override down(): void {
    this.#sending.abort()
    this.#sending = new AbortController()
  }

  async #send(items: readonly (readonly [string, string | undefined])[]): Promise<void> {
    const { signal } = this.#sending
    for (const [key, value] of items) {
      try {
        if (value === undefined) await this.delete(KvpPool.AUTO_EXTERNAL, key, signal)
        else await this.set(KvpPool.AUTO_EXTERNAL, key, value, signal)
      } catch (error) {
        if (!(error instanceof IcError)) throw error
        if (signal.aborted || this.state !== 'ready') return
        this.itemsRefused++
      }
    }
  }

  /** @returns undefined for what is not there */
  async #ask(what: string, body: Uint8Array, signal?: AbortSignal): Promise<IcAnswer | undefined> {
    const answer = await this.request(what, body, { timeoutMs: this.#timeoutMs, signal })
    if (answer.status === IcStatus.CONTINUE) return undefined
    if (answer.status !== IcStatus.S_OK) throw refusal(what, answer.status)
    return answer
  }

  async #askIp(
    what: string,
    operation: number,
    information: KvpIpInformation,
    signal?: AbortSignal,
  ): Promise<IcAnswer> {
    if (!this.#knowsIp) throw new IcError('refused', `${what}: hosts know IP information from 2012 on`)
    const { version } = this
    const word = version === undefined ? KVP_4_0 : icVersionWord(version.major, version.minor)
    const body = encodeIpRequest(operation, information, word)
    const answer = await this.request(what, body, { timeoutMs: this.#timeoutMs, signal })
    if (answer.status !== IcStatus.S_OK) throw refusal(what, answer.status)
    return answer
  }

  #cut(value: string): string {
    return this.#valueUnits === undefined ? value : value.slice(0, this.#valueUnits)
  }
}

function check(pool: number): number {
  if (!Number.isInteger(pool) || pool < 0 || pool >= KVP_POOL_COUNT) {
    throw new IcError('invalid-argument', `pool ${pool}: there are 0 to ${KVP_POOL_COUNT - 1}`)
  }
  return pool
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  [IcStatus.E_FAIL]: 'it failed; is its KVP daemon running?',
  [IcStatus.GUID_NOT_FOUND]: 'it has no such adapter',
  [IcStatus.CONTINUE]: 'it has no such thing',
  [IcStatus.NOT_SUPPORTED]: 'it does not support that',
  [IcStatus.INVALID_ARGUMENT]: 'it finds something wrong with the request',
  [IcStatus.DISK_FULL]: 'its disk is full',
}

function refusal(what: string, status: number): IcError {
  const hex = `0x${status.toString(16).padStart(8, '0')}`
  return new IcError('refused', `${what}: the guest answers ${hex}: ${STATUS_TEXT[status] ?? 'a failure'}`, status)
}
