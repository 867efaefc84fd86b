import type { Kernel, Logger } from '@bis/hyperv-types'
import type { HostTime } from './host-time.ts'
import { Slew } from './slew.ts'
import type { TimeSample } from './time-sample.ts'

/** What `hw.hvtimesync` says now. */
export interface TimesyncSettings {
  /** Do not step the clock when the host says so. */
  readonly ignoreSync: boolean
  /** Milliseconds that a clock may be behind before a sample steps it; negative: samples never step. */
  readonly sampleThreshold: number
  /** Smaller differences are taken away slowly. */
  readonly slew: boolean
  /** Say more about each sample. */
  readonly sampleVerbose: boolean
}

/** The shortest time from which a drift can be told. */
const LEAST_DRIFT_MS = 1000

/** Decides what the host's time means for the guest's clock: a step, a slew, or nothing. */
export class TimeKeeper {
  readonly settings: TimesyncSettings
  readonly slew: Slew
  steps = 0
  slews = 0
  syncs = 0
  samples = 0
  /** Messages that told no time. */
  dropped = 0
  /** Host's time less the guest's at the last message, in milliseconds. */
  offset = 0
  /** How much faster the host's clock runs than the guest's counter, in parts per billion. */
  driftPpb = 0
  readonly #kernel: Kernel
  readonly #log: Logger
  readonly #hostTime: HostTime
  /** First pair of times since the host last stepped its own. */
  #base: { readonly host: number; readonly guest: number } | undefined

  constructor(kernel: Kernel, log: Logger, hostTime: HostTime, settings: TimesyncSettings) {
    this.#kernel = kernel
    this.#log = log
    this.#hostTime = hostTime
    this.settings = settings
    this.slew = new Slew(kernel)
  }

  take({ time, sync, sample }: TimeSample): void {
    const { clock } = this.#kernel
    this.#hostTime.update(clock, time)
    this.#measureDrift(time, clock.now(), sync)
    if (sync) this.syncs++
    if (sample) this.samples++
    this.offset = time - clock.realtime()
    if (sync && !this.settings.ignoreSync) this.#step(time, 'sync')
    else if (sample) this.#takeSample(time)
  }

  #takeSample(time: number): void {
    const { sampleThreshold, slew, sampleVerbose } = this.settings
    if (sampleVerbose) this.#log.log('info', `sample: the host is ${this.offset.toFixed(3)} ms ahead`)
    // A host that slept sends samples only: the guest is far behind then, and a slew would take days.
    if (sampleThreshold >= 0 && this.offset > sampleThreshold) this.#step(time, 'sample')
    else if (slew) this.#slewBy(this.offset)
  }

  #step(time: number, why: string): void {
    this.slew.stop()
    if (this.offset === 0) return
    this.steps++
    this.#kernel.setRealtime(time)
    this.#log.log('debug', `${why}: time of day set, by ${this.offset.toFixed(3)} ms`, 'step')
  }

  #slewBy(milliseconds: number): void {
    if (milliseconds !== 0 && this.slew.left === 0) this.slews++
    this.slew.start(milliseconds)
  }

  #measureDrift(host: number, guest: number, sync: boolean): void {
    const base = this.#base
    if (base === undefined || sync) {
      this.#base = { host, guest }
      return
    }
    const elapsed = guest - base.guest
    if (elapsed >= LEAST_DRIFT_MS) this.driftPpb = Math.round(((host - base.host - elapsed) / elapsed) * 1e9)
  }
}
