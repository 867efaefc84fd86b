import type { Clock, Logger, LogLevel } from '@bis/hyperv-types'

const LINES = 5
const WINDOW_MS = 10_000

/** Lets few lines of a cause through in a while, and tells with the next one how many were held back. */
export class LimitedLog implements Logger {
  readonly #target: Logger
  readonly #clock: Clock
  readonly #causes = new Map<string, { since: number; lines: number; held: number }>()

  constructor(target: Logger, clock: Clock) {
    this.#target = target
    this.#clock = clock
  }

  log(level: LogLevel, text: string, cause?: string): void {
    if (cause === undefined) {
      this.#target.log(level, text)
      return
    }
    const now = this.#clock.now()
    let record = this.#causes.get(cause)
    if (record === undefined || now - record.since >= WINDOW_MS) {
      record = { since: now, lines: 0, held: record?.held ?? 0 }
      this.#causes.set(cause, record)
    }
    if (record.lines >= LINES) {
      record.held++
      return
    }
    record.lines++
    const held = record.held === 0 ? '' : ` (${record.held} more like it before)`
    record.held = 0
    this.#target.log(level, text + held, cause)
  }
}
