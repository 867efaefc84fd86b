import type { Timer, VspPort } from '@bis/hyperv-types'
import {
  EPOCH_1601_TO_1970,
  IcMessageType,
  IcStatus,
  TIMESYNC_REFERENCE_SENT_BYTES,
  TimesyncFlag,
  timesyncMessage,
  timesyncReferenceMessage,
} from '@bis/hyperv-types/ic'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import type { IcVersion } from '../host-release.ts'
import { IcError } from './errors.ts'
import type { IcKind, IcOptions } from './integration-component.ts'
import { IntegrationComponent } from './integration-component.ts'

export interface TimesyncComponentOptions extends IcOptions {
  /** From an answer to the next sample; default 5000. */
  readonly intervalMs?: number
  /** The host's time of day in milliseconds since 1970-01-01 UTC; default the clock's. */
  readonly realtime?: () => number
  /** Samples go out on their own; default true. */
  readonly enabled?: boolean
}

const KIND: IcKind = {
  name: 'timesync',
  title: 'Time Synchronization',
  interfaceId: InterfaceId.TIMESYNC,
  instanceId: InstanceId.TIMESYNC,
  messageType: IcMessageType.TIMESYNC,
}
const INTERVAL_MS = 5000
const ANSWER_MS = 30_000
const TICKS_PER_MS = 10_000
const FIRST_WITH_REFERENCE = 4

/** Tells the guest the time: once to set its clock by, then a sample five seconds after each answer. */
export class TimesyncComponent extends IntegrationComponent {
  /** Samples go out on their own. */
  enabled: boolean
  readonly #intervalMs: number
  readonly #realtime: () => number
  #port: VspPort | undefined
  #timer: Timer | undefined

  constructor(options: TimesyncComponentOptions) {
    super(KIND, options)
    this.enabled = options.enabled ?? true
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS
    this.#realtime = options.realtime ?? (() => this.clock.realtime())
  }

  onOffered(port: VspPort): void {
    this.#port = port
  }

  /** Without the partition's reference time there is nothing that version 4.0 could be asked. */
  protected override versions(offered: readonly IcVersion[]): readonly IcVersion[] {
    if (this.#port?.referenceTime?.() !== undefined) return offered
    return offered.filter(({ major }) => major < FIRST_WITH_REFERENCE)
  }

  /** The guest shall set its clock now. @throws IcError as every request */
  sync(signal?: AbortSignal): Promise<void> {
    return this.#tell(TimesyncFlag.SYNC, signal)
  }

  /** A hint: the guest sees how far its clock is off. @throws IcError as every request */
  sample(signal?: AbortSignal): Promise<void> {
    return this.#tell(TimesyncFlag.SAMPLE, signal)
  }

  protected override ready(): void {
    void this.#run(TimesyncFlag.SYNC)
  }

  protected override down(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #run(flag: number): Promise<void> {
    this.#timer = undefined
    try {
      if (this.enabled) await this.#tell(flag)
    } catch (error) {
      if (!(error instanceof IcError)) throw error
    }
    if (this.state !== 'ready' || this.#timer !== undefined) return
    this.#timer = this.clock.after(this.#intervalMs, () => void this.#run(TimesyncFlag.SAMPLE))
  }

  async #tell(flags: number, signal?: AbortSignal): Promise<void> {
    // Taken when the message goes out, not when it is asked for: others may be before it.
    const body = (): Uint8Array => this.#body(flags)
    const { status } = await this.request('time', body, { timeoutMs: ANSWER_MS, signal })
    if (status !== IcStatus.S_OK)
      throw new IcError('refused', `the guest does not take the time: status 0x${status.toString(16)}`, status)
  }

  #body(flags: number): Uint8Array {
    const parenttime = BigInt(Math.round(this.#realtime() * TICKS_PER_MS)) + EPOCH_1601_TO_1970
    if ((this.version?.major ?? 0) < FIRST_WITH_REFERENCE)
      return timesyncMessage.encode({ parenttime, childtime: 0n, roundtriptime: 0, flags })
    const body = new Uint8Array(TIMESYNC_REFERENCE_SENT_BYTES)
    const vmreferencetime = this.#port?.referenceTime?.() ?? 0n
    timesyncReferenceMessage.encode({ parenttime, vmreferencetime, flags, leapflags: 0, stratum: 0 }, body)
    return body
  }
}
