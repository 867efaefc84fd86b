import type { Channel, ChannelError, Logger, Packet } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import {
  IC_BODY_OFFSET,
  IC_FLAGS_REQUEST,
  IC_FLAGS_RESPONSE,
  IC_FRAMEWORK_1_0,
  IC_FRAMEWORK_3_0,
  IcFlag,
  IcMessageType,
  IcStatus,
  icPacket,
} from '@bis/hyperv-types/ic'
import { PacketType } from '@bis/hyperv-types/ring'
import { IcRequest } from './ic-request.ts'
import type { IcHandlers, IcService } from './ic-service.ts'
import type { AgreedVersions } from './negotiation.ts'
import { chooseVersions, formatVersion, NEGOTIATED_BODY_BYTES, readOffer, writeAnswer } from './negotiation.ts'

const { pipe, ic } = icPacket
const DEFAULT_RING_BYTES = 16_384
const DEFAULT_FRAMEWORKS = [IC_FRAMEWORK_3_0, IC_FRAMEWORK_1_0]
/** Requests kept while one is being worked on. Hosts send one at a time; what is more is dropped. */
const MOST_WAITING = 8

/** Counters of a component; plain numbers that only grow. */
export class IcStatistics {
  requests = 0
  responses = 0
  negotiations = 0
  /** Messages that were no requests, or one too many. */
  dropped = 0
}

/** A message taken out of the ring. */
interface Message {
  readonly bytes: Uint8Array
  readonly bodyLength: number
  readonly transactionIdLow: number
  readonly transactionIdHigh: number
}

/**
 * - `closed`: no channel; `waiting`: for the host's versions; `ready`;
 * - `refused`: no version in common, until the host asks again.
 */
export type IcState = 'closed' | 'waiting' | 'ready' | 'refused'

/** The guest's end of an integration component: takes one request at a time, in one buffer, and answers it there. */
export class IcComponent {
  readonly statistics = new IcStatistics()
  readonly #channel: Channel
  readonly #service: IcService
  readonly #handlers: IcHandlers
  readonly #log: Logger
  readonly #onFailure: (error: ChannelError) => void
  #state: IcState = 'closed'
  #agreed: AgreedVersions | undefined
  /** The message buffer: what is being worked on. */
  #current: { readonly message: Message; readonly request: IcRequest | undefined } | undefined
  /** The answer is in the buffer and the ring has no room. */
  #unsent = false
  #waiting: Message[] = []

  constructor(
    channel: Channel,
    service: IcService,
    handlers: IcHandlers,
    log: Logger,
    onFailure: (error: ChannelError) => void,
  ) {
    this.#channel = channel
    this.#service = service
    this.#handlers = handlers
    this.#log = log
    this.#onFailure = onFailure
  }

  get state(): IcState {
    return this.#state
  }

  /** Agreed with the host; undefined before. */
  get agreed(): AgreedVersions | undefined {
    return this.#agreed
  }

  /** @throws ChannelError as `Channel.open` */
  async open(signal?: AbortSignal): Promise<void> {
    const ringBytes = this.#service.ringBytes ?? DEFAULT_RING_BYTES
    this.#state = 'waiting'
    // Its detach comes too, but later: what counts on the host must not wait for that.
    this.#channel.gone.addEventListener('abort', () => this.#rescinded(), { once: true })
    try {
      await this.#channel.open({
        txRingBytes: ringBytes,
        rxRingBytes: ringBytes,
        onPacket: (packet) => this.#take(packet),
        onBatchEnd: () => this.#handlers.onBatchEnd?.(),
        onWritable: () => this.#writable(),
        onFailure: (error) => this.#onFailure(error),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      this.#state = 'closed'
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#beginAnew('closed')
    if (this.#channel.state === 'open') await this.#channel.close()
  }

  #rescinded(): void {
    if (this.#state !== 'closed') this.#beginAnew('closed')
  }

  #take(packet: Packet): void {
    const message = readMessage(packet)
    if (message === undefined) {
      this.#drop('a packet that is no request', 'no request')
      return
    }
    if (typeOf(message) === IcMessageType.NEGOTIATE) this.#negotiate(message)
    else if (this.#current === undefined) this.#begin(message)
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(message)
    else this.#drop(`a request while ${MOST_WAITING} are waiting`, 'too many')
  }

  #negotiate(message: Message): void {
    this.#beginAnew('waiting')
    this.statistics.negotiations++
    const { versions, frameworks = DEFAULT_FRAMEWORKS } = this.#service
    const view = viewOf(message.bytes)
    const offered = readOffer(view, message.bodyLength)
    const agreed = offered === undefined ? undefined : chooseVersions(offered, frameworks, versions)
    this.#agreed = agreed
    this.#state = agreed === undefined ? 'refused' : 'ready'
    if (message.bodyLength >= NEGOTIATED_BODY_BYTES) {
      writeAnswer(view, agreed)
      ic.icmsgsize.set(view, 0, NEGOTIATED_BODY_BYTES)
    }
    this.#current = { message, request: undefined }
    this.#finish(agreed === undefined ? IcStatus.E_FAIL : IcStatus.S_OK)
    if (agreed === undefined) {
      const list = offered?.messages.slice(0, 8).map(formatVersion).join(', ') ?? 'none that can be read'
      this.#log.log('warning', `no version in common with the host's: ${list}`, 'versions')
      return
    }
    this.#log.log('debug', `sel framework version: ${formatVersion(agreed.framework)}`)
    this.#log.log('debug', `sel message version: ${formatVersion(agreed.message)}`)
    this.#handlers.onNegotiated?.(agreed.message)
  }

  #begin(message: Message): void {
    this.statistics.requests++
    const type = typeOf(message)
    if (this.#agreed === undefined || type !== this.#service.messageType) {
      this.#current = { message, request: undefined }
      this.#finish(this.#agreed === undefined ? IcStatus.E_FAIL : IcStatus.NOT_SUPPORTED)
      return
    }
    const { bytes, bodyLength } = message
    const request = new IcRequest(this.#agreed.message, bytes, viewOf(bytes), bodyLength, (answered, status) => {
      if (this.#current?.request !== answered || this.#unsent) return false
      this.#finish(status)
      return true
    })
    this.#current = { message, request }
    this.#handlers.onRequest(request)
  }

  /** Turns the buffer into an answer and sends it. */
  #finish(status: number): void {
    if (this.#current === undefined) return
    const view = viewOf(this.#current.message.bytes)
    ic.status.set(view, 0, status)
    ic.icflags.set(view, 0, IC_FLAGS_RESPONSE)
    this.#unsent = true
    this.#writable()
  }

  #writable(): void {
    if (!this.#unsent || this.#current === undefined) return
    const { bytes, transactionIdLow, transactionIdHigh } = this.#current.message
    const status = this.#channel.send(
      PacketType.dataInBand,
      0,
      transactionIdLow,
      transactionIdHigh,
      undefined,
      0,
      bytes,
      0,
      bytes.length,
    )
    if (status === SendStatus.full) return
    if (status === SendStatus.sent) this.statistics.responses++
    this.#unsent = false
    this.#current = undefined
    const next = this.#waiting.shift()
    if (next !== undefined) this.#begin(next)
  }

  #beginAnew(state: IcState): void {
    this.#state = state
    this.#agreed = undefined
    this.#current = undefined
    this.#unsent = false
    this.#waiting = []
    this.#handlers.onReset?.()
  }

  #drop(what: string, cause: string): void {
    this.statistics.dropped++
    this.#log.log('warning', `dropped ${what}`, cause)
  }
}

/** A request of the host, copied out and its lengths checked; undefined for everything else. */
function readMessage(packet: Packet): Message | undefined {
  const { type, dataOffset, dataLength, transactionIdLow, transactionIdHigh } = packet
  if (type !== PacketType.dataInBand || dataLength < IC_BODY_OFFSET) return undefined
  const bytes = packet.bytes.slice(dataOffset, dataOffset + dataLength)
  const view = viewOf(bytes)
  const flags = ic.icflags.get(view, 0)
  if ((flags & IC_FLAGS_REQUEST) !== IC_FLAGS_REQUEST || (flags & IcFlag.RESPONSE) !== 0) return undefined
  const end = pipe.size + pipe.data_size.get(view, 0)
  const bodyLength = ic.icmsgsize.get(view, 0)
  if (end > dataLength || IC_BODY_OFFSET + bodyLength > end) return undefined
  return { bytes, bodyLength, transactionIdLow, transactionIdHigh }
}

function typeOf({ bytes }: Message): number {
  return ic.icmsgtype.get(viewOf(bytes), 0)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
