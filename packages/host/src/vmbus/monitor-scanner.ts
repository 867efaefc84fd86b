import type { Clock, GuestMemory, Timer } from '@bis/hyperv-types'
import { monitorPage, VMBUS_MAX_MONITOR_IDS } from '@bis/hyperv-types/vmbus'
import { forEachBit, pageWords } from './guest-interrupts.ts'

const GROUPS = VMBUS_MAX_MONITOR_IDS / 32
/** 100 µs, in units of 100 ns. */
const SHORTEST_LATENCY = 1000
/** Scans without a find after which the next comes later. */
const IDLE_SCANS = 64
/** Longest pause between two scans, as a multiple of the latency, and in milliseconds. */
const IDLE_FACTOR = 16
const IDLE_MS = 10

/**
 * Looks at the guest's monitor page for channels that it marked instead of making a hypercall. The guest does nothing else
 * for a signal, so the page is scanned as long as a monitored channel is open: each `latency` while there is traffic, more
 * and more seldom when there is none.
 */
export class MonitorScanner {
  readonly #clock: Clock
  readonly #signal: (monitorId: number) => void
  /** Latencies in milliseconds by monitor id. */
  readonly #open = new Map<number, number>()
  #page: Int32Array | undefined = undefined
  #timer: Timer | undefined = undefined
  #idle = 0
  /** Scans made, for tests and statistics. */
  scans = 0

  constructor(clock: Clock, signal: (monitorId: number) => void) {
    this.#clock = clock
    this.#signal = signal
  }

  /** @param gpa the guest-to-host monitor page, or undefined when the guest gave none */
  usePage(memory: GuestMemory, gpa: number | undefined): void {
    this.#page = gpa === undefined ? undefined : pageWords(memory, gpa)
    this.#restart()
  }

  /** @param latency in units of 100 ns; one that no timer could keep is taken for the shortest */
  add(monitorId: number, latency: number): void {
    this.#open.set(monitorId, Math.max(latency, SHORTEST_LATENCY) / 10_000)
    this.#restart()
  }

  remove(monitorId: number): void {
    this.#open.delete(monitorId)
    this.#restart()
  }

  /** Whether a scan is due at some time. */
  get isRunning(): boolean {
    return this.#timer !== undefined
  }

  #restart(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#idle = 0
    if (this.#page !== undefined && this.#open.size > 0) this.#schedule()
  }

  #schedule(): void {
    const latency = Math.min(...this.#open.values())
    const factor = this.#idle < IDLE_SCANS ? 1 : Math.min(IDLE_FACTOR, 2 ** (this.#idle - IDLE_SCANS + 1))
    const delay = factor === 1 ? latency : Math.max(latency, Math.min(latency * factor, IDLE_MS))
    this.#timer = this.#clock.after(delay, this.#scan)
  }

  readonly #scan = (): void => {
    this.#timer = undefined
    const page = this.#page
    if (page === undefined) return
    this.scans++
    let found = false
    for (let group = 0; group < GROUPS; group++) {
      const word = (monitorPage.trigger_group.offset + group * 8) / 4
      if (Atomics.load(page, word) === 0) continue
      found = true
      forEachBit(Atomics.exchange(page, word, 0), (bit) => this.#signal(group * 32 + bit))
    }
    this.#idle = found ? 0 : this.#idle + 1
    // A signal may have closed the last channel.
    if (this.#timer === undefined && this.#open.size > 0) this.#schedule()
  }
}
