import type { Clock, Logger, LogLevel } from '@bis/hyperv-types'

/** One line of the kernel's message buffer. */
export interface Message {
  /** Milliseconds since the machine was powered on. */
  readonly time: number
  readonly level: LogLevel
  readonly text: string
}

export interface MessageBufferOptions {
  /** Lines kept; the oldest go first. Default 4096. */
  readonly capacity?: number
  /** Keep `debug` lines too (FreeBSD's `boot -v`). Default false. */
  readonly verbose?: boolean
}

/** Lines of one cause let through per interval before the rest is counted only. */
const BURST = 5
const INTERVAL = 10_000

interface Cause {
  since: number
  passed: number
  heldBack: number
}

/** dmesg: what kernel and drivers printed, kept to be read again, with floods held back by cause. */
export class MessageBuffer {
  readonly #clock: Clock
  readonly #start: number
  readonly #capacity: number
  readonly #verbose: boolean
  readonly #lines: Message[] = []
  readonly #listeners = new Set<(message: Message) => void>()
  readonly #causes = new Map<string, Cause>()

  constructor(clock: Clock, options: MessageBufferOptions = {}) {
    this.#clock = clock
    this.#start = clock.now()
    this.#capacity = options.capacity ?? 4096
    this.#verbose = options.verbose ?? false
  }

  get lines(): readonly Message[] {
    return this.#lines
  }

  /** Calls the listener for each new line; returns how to stop. */
  onLine(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A logger whose lines begin with `prefix` (`storvsc0: `). */
  logger(prefix = ''): Logger {
    return { log: (level, text, cause) => this.#log(level, prefix + text, cause && prefix + cause) }
  }

  #log(level: LogLevel, text: string, cause: string | undefined): void {
    if (level === 'debug' && !this.#verbose) return
    if (cause === undefined) this.#append(level, text)
    else this.#limited(level, text, cause)
  }

  #limited(level: LogLevel, text: string, key: string): void {
    const now = this.#clock.now()
    let cause = this.#causes.get(key)
    if (cause === undefined || now - cause.since >= INTERVAL) {
      const heldBack = cause?.heldBack ?? 0
      cause = { since: now, passed: 0, heldBack: 0 }
      this.#causes.set(key, cause)
      if (heldBack > 0) this.#append(level, `${text} (${heldBack} more like this held back)`)
      else this.#append(level, text)
      cause.passed = 1
    } else if (cause.passed < BURST) {
      cause.passed++
      this.#append(level, text)
    } else {
      cause.heldBack++
    }
  }

  #append(level: LogLevel, text: string): void {
    const message: Message = { time: this.#clock.now() - this.#start, level, text }
    this.#lines.push(message)
    if (this.#lines.length > this.#capacity) this.#lines.shift()
    for (const listener of this.#listeners) listener(message)
  }
}
