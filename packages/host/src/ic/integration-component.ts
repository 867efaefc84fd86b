import type {
  Clock,
  HostChannel,
  HostChannelHandlers,
  Logger,
  OfferDescription,
  Packet,
  VspDevice,
} from '@bis/hyperv-types'
import { SendStatus, silentLogger } from '@bis/hyperv-types'
import type { IcMessageType } from '@bis/hyperv-types/ic'
import { PacketType } from '@bis/hyperv-types/ring'
import { OfferFlag, PipeMode } from '@bis/hyperv-types/vmbus'
import type { HostRelease, IcVersion, IcVersions } from '../host-release.ts'
import { IcError } from './errors.ts'
import { Exchange } from './exchange.ts'
import type { IcFaults } from './faults.ts'
import type { AgreedVersions, IcAnswer } from './ic-message.ts'
import { encodeOffer, encodeRequest, NEGOTIATE, readChoice, readReply } from './ic-message.ts'

/** What tells one integration component from the others. */
export interface IcKind {
  /** Its versions in `HostRelease.ic`. */
  readonly name: Exclude<keyof IcVersions, 'framework'>
  /** As Hyper-V Manager lists it. */
  readonly title: string
  readonly interfaceId: string
  readonly instanceId: string
  readonly messageType: IcMessageType
}

export interface IcOptions {
  readonly release: HostRelease
  readonly clock: Clock
  readonly log?: Logger
  /** What to do wrong on purpose. */
  readonly faults?: IcFaults
}

/**
 * - `absent`: the guest has not opened the channel; `negotiating`; `ready`;
 * - `refused`: the guest has no version of the host's; `silent`: it has not answered, yet.
 */
export type IcState = 'absent' | 'negotiating' | 'ready' | 'refused' | 'silent'

/** How long a guest may take to answer the negotiation before it counts as silent; its answer still counts later. */
const NEGOTIATION_MS = 60_000

/** Counters of a component; plain numbers that only grow. */
export class IcCounters {
  requests = 0
  answers = 0
  timeouts = 0
  /** Answers to nothing: late, or with other ids or another type than the request's. */
  stale = 0
  /** Packets that are no answers at all. */
  malformed = 0
}

/** The host's end of an integration component: negotiates, then sends one request at a time. */
export abstract class IntegrationComponent implements VspDevice {
  readonly kind: IcKind
  readonly offer: OfferDescription
  readonly counters = new IcCounters()
  /** What to do wrong on purpose; takes effect with the next message. */
  faults: IcFaults
  protected readonly clock: Clock
  protected readonly log: Logger
  readonly #release: HostRelease
  readonly #listeners = new Set<(state: IcState) => void>()
  #channel: HostChannel | undefined
  #state: IcState = 'absent'
  #agreed: AgreedVersions | undefined
  #exchange: Exchange
  /** Requests that wait for their turn. */
  #turn: Promise<unknown> = Promise.resolve()
  #unsent: (() => void) | undefined
  #lastAnswer: number | undefined

  protected constructor(kind: IcKind, options: IcOptions) {
    this.kind = kind
    this.offer = {
      interfaceId: kind.interfaceId,
      instanceId: kind.instanceId,
      flags: OfferFlag.ENUMERATE_DEVICE_INTERFACE | OfferFlag.NAMED_PIPE_MODE,
      userDefined: Uint8Array.of(PipeMode.MESSAGE, 0, 0, 0),
    }
    this.clock = options.clock
    this.log = options.log ?? silentLogger
    this.faults = options.faults ?? {}
    this.#release = options.release
    this.#exchange = new Exchange(options.clock)
  }

  get state(): IcState {
    return this.#state
  }

  /** Message version agreed with the guest. */
  get version(): IcVersion | undefined {
    return this.#agreed?.message
  }

  get frameworkVersion(): IcVersion | undefined {
    return this.#agreed?.framework
  }

  /** When the guest last answered, by the clock's `now()`; undefined when it never has. */
  get lastAnswer(): number | undefined {
    return this.#lastAnswer
  }

  /** Calls the listener for each change of the state; returns how to stop. */
  onState(listener: (state: IcState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Negotiates again, as a host does after a restore; a request in the guest's hands is void. */
  renegotiate(): void {
    const channel = this.#channel
    if (channel === undefined) return
    this.#begin(channel)
  }

  openChannel(channel: HostChannel): HostChannelHandlers | undefined {
    if (channel.subIndex !== 0 || this.#channel !== undefined) return undefined
    this.#channel = channel
    // The guest may be told of nothing before its channel is open.
    this.clock.soon(() => {
      if (this.#channel === channel) this.#begin(channel)
    })
    return {
      onPacket: (packet) => this.#take(packet),
      onWritable: () => this.#writable(),
      onClose: () => this.#closed('the guest has closed the channel'),
      // Guests expect a negotiation after a restore; there is nothing else to remember.
      onSave: () => {
        this.#closed('the machine was saved')
        return {}
      },
    }
  }

  reset(): void {
    this.#closed('the guest was reset')
  }

  /**
   * Sends a request when it is its turn and waits for the answer.
   * @param what for the error's message
   * @param body or what makes it when the request goes out
   * @throws IcError `not-ready`, `timeout`, `gone`, `aborted`
   */
  protected request(
    what: string,
    body: Uint8Array | (() => Uint8Array),
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<IcAnswer> {
    const answer = this.#turn.then(() => this.#ask(what, body, options.timeoutMs, options.signal))
    this.#turn = answer.catch(() => {})
    return answer
  }

  /** Which of the release's versions this component can offer now. */
  protected versions(offered: readonly IcVersion[]): readonly IcVersion[] {
    return offered
  }

  /** The versions are agreed. */
  protected ready(): void {}

  /** The component is no longer ready. */
  protected down(): void {}

  async #ask(
    what: string,
    body: Uint8Array | (() => Uint8Array),
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<IcAnswer> {
    if (signal?.aborted === true) throw new IcError('aborted', `${what}: given up`)
    const agreed = this.#agreed
    if (agreed === undefined) throw new IcError('not-ready', `${what}: ${this.#whyNot()}`)
    const abort = (): void => this.#exchange.cancel(new IcError('aborted', `${what}: given up`))
    signal?.addEventListener('abort', abort, { once: true })
    this.counters.requests++
    try {
      const { status, body: answer } = await this.#exchange.start(
        what,
        this.kind.messageType,
        timeoutMs,
        (id, ic) => this.#send(this.kind.messageType, agreed, typeof body === 'function' ? body() : body, id, ic),
        this.faults.repeatedIds === true,
      )
      return { status, version: agreed.message, body: answer }
    } catch (error) {
      if (error instanceof IcError && error.code === 'timeout') this.counters.timeouts++
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  #begin(channel: HostChannel): void {
    this.#end(new IcError('gone', `${this.kind.title}: the host negotiates again`))
    this.#enter('negotiating')
    void this.#negotiate(channel)
  }

  async #negotiate(channel: HostChannel): Promise<void> {
    const { faults } = this
    const frameworks = faults.frameworkVersions ?? this.#release.ic.framework
    const messages = faults.messageVersions ?? this.versions(this.#release.ic[this.kind.name])
    const body = encodeOffer(frameworks, messages, faults)
    const silence = this.clock.after(NEGOTIATION_MS, () => this.#enter('silent'))
    try {
      // A guest that answers late is welcome all the same: nothing ends this wait but the channel.
      const reply = await this.#exchange.start(
        this.kind.title,
        NEGOTIATE,
        undefined,
        (id, ic) => this.#send(NEGOTIATE, undefined, body, id, ic),
        faults.repeatedIds === true,
      )
      if (this.#channel !== channel) return
      this.#agreed = readChoice(reply, frameworks, messages)
      this.#enter(this.#agreed === undefined ? 'refused' : 'ready')
      if (this.#agreed !== undefined) this.ready()
    } catch (error) {
      if (!(error instanceof IcError)) throw error
    } finally {
      silence.cancel()
    }
  }

  #take(packet: Packet): void {
    const reply = readReply(packet)
    if (reply === undefined) {
      this.counters.malformed++
      this.log.log('warning', `${this.kind.title}: dropped a packet that is no answer`, 'no answer')
    } else if (packet.transactionIdHigh === 0 && this.#exchange.answered(packet.transactionIdLow, reply)) {
      this.counters.answers++
      this.#lastAnswer = this.clock.now()
    } else {
      this.counters.stale++
    }
  }

  #send(type: number, agreed: AgreedVersions | undefined, body: Uint8Array, id: number, icId: number): void {
    const { faults } = this
    if (faults.silent === true) return
    const message = encodeRequest(type, agreed, icId, body, faults)
    let copies = faults.copies ?? 1
    const send = (): void => {
      while (copies > 0) {
        if (this.#put(message, id) === SendStatus.full) {
          this.#unsent = send
          return
        }
        copies--
      }
    }
    send()
  }

  #put(message: Uint8Array, id: number): SendStatus {
    const { dataInBand } = PacketType
    return this.#channel?.send(dataInBand, 0, id, 0, undefined, 0, message, 0, message.length) ?? SendStatus.gone
  }

  #writable(): void {
    const send = this.#unsent
    this.#unsent = undefined
    send?.()
  }

  #closed(reason: string): void {
    this.#channel = undefined
    this.#end(new IcError('gone', `${this.kind.title}: ${reason}`))
    this.#enter('absent')
  }

  #end(error: IcError): void {
    const wasReady = this.#agreed !== undefined
    this.#agreed = undefined
    this.#unsent = undefined
    this.#exchange.cancel(error)
    if (wasReady) this.down()
  }

  #enter(state: IcState): void {
    if (this.#state === state) return
    this.#state = state
    for (const listener of [...this.#listeners]) listener(state)
  }

  #whyNot(): string {
    if (this.#state === 'absent') return 'no driver of the guest has it open'
    if (this.#state === 'refused') return "the guest speaks none of the host's versions"
    return 'the guest has not answered the negotiation yet'
  }
}
