import {
  EPOCH_1601_TO_1970,
  IC_BODY_OFFSET,
  TIMESYNC_4_0,
  TIMESYNC_REFERENCE_MIN_BYTES,
  TimesyncFlag,
  timesyncMessage,
  timesyncReferenceMessage,
} from '@bis/hyperv-types/ic'
import type { IcRequest } from '../ic/ic-request.ts'
import { MOST_AGE_MS } from './host-time.ts'

const TICKS_PER_MS = 10_000
/** The end of the year 9999. */
const LAST_MS = Date.UTC(10_000, 0)

/** What the host says of its time. */
export interface TimeSample {
  /** Milliseconds since 1970-01-01 UTC, when the message was taken out of the ring. */
  readonly time: number
  /** The guest is to set its clock now. */
  readonly sync: boolean
  /** A periodic hint. */
  readonly sample: boolean
}

/** - `short`: fields are missing; `senseless`: no time that a clock shows; `stale`: too long on its way. */
export type BadSample = 'short' | 'senseless' | 'stale'

/**
 * Reads a message. From version 4.0 on the way here is added, by the reference counter, when that makes sense: the counter
 * may have started anew since the host looked at it.
 * @param referenceTime the counter now in 100 ns, or undefined
 */
export function readSample(request: IcRequest, referenceTime: bigint | undefined): TimeSample | BadSample {
  const { version, view, bodyLength } = request
  const withReference = version >= TIMESYNC_4_0
  if (bodyLength < (withReference ? TIMESYNC_REFERENCE_MIN_BYTES : timesyncMessage.size)) return 'short'
  const { flags: flagsField, parenttime } = withReference ? timesyncReferenceMessage : timesyncMessage
  const flags = flagsField.get(view, IC_BODY_OFFSET)
  const parent = Number(parenttime.get(view, IC_BODY_OFFSET) - EPOCH_1601_TO_1970) / TICKS_PER_MS
  let onTheWay = 0
  if (withReference && referenceTime !== undefined) {
    const taken = timesyncReferenceMessage.vmreferencetime.get(view, IC_BODY_OFFSET)
    const age = taken === 0n ? 0 : Number(referenceTime - taken) / TICKS_PER_MS
    if (age >= MOST_AGE_MS) return 'stale'
    if (age > 0) onTheWay = age
  }
  const time = parent + onTheWay
  if (!(time > 0 && time < LAST_MS)) return 'senseless'
  return { time, sync: (flags & TimesyncFlag.SYNC) !== 0, sample: (flags & TimesyncFlag.SAMPLE) !== 0 }
}
