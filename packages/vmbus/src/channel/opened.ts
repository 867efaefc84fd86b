import type { ChannelOpenOptions, Gpadl } from '@bis/hyperv-types'
import type { DataPath } from './data-path.ts'
import type { ChannelRings } from './rings.ts'
import type { Signal } from './signal.ts'

/** A thread that serves the channel's rings in place of the bus. */
export interface Lease {
  /** Resolves when the thread has let go of the rings; false when it did not answer. */
  end(): Promise<boolean>
}

/** What an open channel has. Its rings are served here by `path`, or elsewhere under a `lease`. */
export interface Opened {
  readonly options: ChannelOpenOptions
  readonly gpadl: Gpadl
  readonly signal: Signal
  readonly unpublish: () => void
  rings: ChannelRings
  path: DataPath | undefined
  lease: Lease | undefined
}
