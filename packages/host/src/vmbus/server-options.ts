import type { Clock, CrashReport, Logger, SynicPorts } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import type { FaultPlan } from '../faults/fault-plan.ts'
import type { HostRelease } from '../host-release.ts'
import type { ServerQuotas, VersionPolicy } from './server-limits.ts'
import type { ServiceQueue } from './service-queue.ts'

/** How to serve one guest. */
export interface VmbusServerOptions {
  /** The guest: its memory, and the way to its SynIC. */
  readonly ports: SynicPorts
  readonly release: HostRelease
  readonly clock: Clock
  /** Default: no lines. */
  readonly log?: Logger
  /** Name of the guest in log lines. */
  readonly name?: string
  readonly quotas?: ServerQuotas
  readonly versions?: VersionPolicy
  /**
   * How rings are worked on. Default: WebAssembly where the guest's memory is one, else script. With a guest whose own
   * code shares that WebAssembly.Memory and is not trusted, take `scriptEngine`.
   */
  readonly engine?: RingEngine
  /** Shares the thread with the channels of other guests. Default: a queue of its own. */
  readonly queue?: ServiceQueue
  /** Faults to make on purpose. */
  readonly faults?: FaultPlan
  /** Called when the guest has committed a crash report. */
  readonly onCrash?: (report: CrashReport) => void
}
