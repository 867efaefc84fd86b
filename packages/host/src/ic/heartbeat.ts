import type { Timer } from '@bis/hyperv-types'
import {
  HEARTBEAT_BODY_BYTES,
  HeartbeatApplicationState,
  heartbeatMessage,
  IcMessageType,
  IcStatus,
} from '@bis/hyperv-types/ic'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import { IcError } from './errors.ts'
import type { IcKind, IcOptions } from './integration-component.ts'
import { IntegrationComponent } from './integration-component.ts'

export interface HeartbeatOptions extends IcOptions {
  /** Between requests; default 2000. */
  readonly intervalMs?: number
  /** Requests in a row without an answer before contact counts as lost; default 5. */
  readonly missesAllowed?: number
}

/** What Hyper-V Manager shows; `no-contact`: never an answer, `lost-communication`: none any more. */
export type HeartbeatStatus =
  | 'ok-healthy'
  | 'ok-unknown'
  | 'ok-critical'
  | 'ok-stopped'
  | 'no-contact'
  | 'lost-communication'

const KIND: IcKind = {
  name: 'heartbeat',
  title: 'Heartbeat',
  interfaceId: InterfaceId.HEARTBEAT,
  instanceId: InstanceId.HEARTBEAT,
  messageType: IcMessageType.HEARTBEAT,
}
const INTERVAL_MS = 2000
const MISSES_ALLOWED = 5
const OK: readonly HeartbeatStatus[] = ['ok-unknown', 'ok-healthy', 'ok-critical', 'ok-stopped']
const { seq_num, application_state } = heartbeatMessage

/** Asks the guest every two seconds whether it lives. One question is out at a time, so a paused guest finds one. */
export class HeartbeatComponent extends IntegrationComponent {
  /** Intervals without an answer since the last one. */
  missed = 0
  /** Answers with the sequence number that the protocol asks for. */
  beats = 0
  /** Answers with another one. */
  wrongAnswers = 0
  readonly #intervalMs: number
  readonly #missesAllowed: number
  #sequence = 0n
  #applicationState: number = HeartbeatApplicationState.UNKNOWN
  #timer: Timer | undefined
  #asking = false

  constructor(options: HeartbeatOptions) {
    super(KIND, options)
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS
    this.#missesAllowed = options.missesAllowed ?? MISSES_ALLOWED
  }

  get status(): HeartbeatStatus {
    if (this.beats === 0) return 'no-contact'
    if (this.state !== 'ready' || this.missed > this.#missesAllowed) return 'lost-communication'
    return OK[this.#applicationState] ?? 'ok-unknown'
  }

  protected override ready(): void {
    this.missed = 0
    this.#beat()
  }

  protected override down(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beat(): void {
    this.#timer = this.clock.after(this.#intervalMs, () => this.#beat())
    if (this.#asking) this.missed++
    else void this.#ask()
  }

  async #ask(): Promise<void> {
    this.#asking = true
    const sequence = this.#sequence
    this.#sequence += 2n
    const body = new Uint8Array(HEARTBEAT_BODY_BYTES)
    const view = new DataView(body.buffer)
    seq_num.set(view, 0, sequence)
    application_state.set(view, 0, HeartbeatApplicationState.UNKNOWN)
    try {
      // Longer than contact takes to be lost, so that what a paused guest owes is one answer, not many.
      const timeoutMs = this.#intervalMs * (this.#missesAllowed + 1) * 2
      const { status, body: answer } = await this.request('heartbeat', body, { timeoutMs })
      this.#answered(sequence, status, answer)
    } catch (error) {
      if (!(error instanceof IcError)) throw error
    } finally {
      this.#asking = false
    }
  }

  #answered(sequence: bigint, status: number, answer: Uint8Array): void {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
    const complete = status === IcStatus.S_OK && answer.length >= HEARTBEAT_BODY_BYTES
    if (!complete || seq_num.get(view, 0) !== sequence + 1n) {
      this.wrongAnswers++
      this.missed++
      return
    }
    this.beats++
    this.missed = 0
    this.#applicationState = application_state.get(view, 0)
  }
}
