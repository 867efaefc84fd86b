import type { Clock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

/** A sample older than this tells nothing any more: Linux's limit for its PTP clock. */
export const MOST_AGE_MS = 600_000

/** The host's time of day as it last told it: what a clock daemon on the guest reads. */
export class HostTime {
  #clock: Clock | undefined
  /** Host's time minus `clock.now()`, in milliseconds. */
  #offset = 0
  #takenAt = 0

  /** Milliseconds since the host's last word; infinite before the first. */
  get age(): number {
    return this.#clock === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() - this.#takenAt
  }

  /**
   * The host's time now, in milliseconds since 1970-01-01 UTC.
   * @throws DeviceError `timeout` when the host has not told it for ten minutes
   */
  read(): number {
    const { age } = this
    if (this.#clock === undefined || age > MOST_AGE_MS) {
      const how = this.#clock === undefined ? 'never' : `${Math.round(age / 1000)} s ago`
      throw new DeviceError('timeout', `the host has told its time ${how}; ${MOST_AGE_MS / 1000} s is the limit`)
    }
    return this.#clock.now() + this.#offset
  }

  /** The host's time was `milliseconds` at this moment. */
  update(clock: Clock, milliseconds: number): void {
    this.#clock = clock
    this.#takenAt = clock.now()
    this.#offset = milliseconds - this.#takenAt
  }
}
