import type { ChannelState } from '@bis/hyperv-types'
import { ChannelError } from '@bis/hyperv-types'

/**
 * Where a channel's state may go from each. `opening` ends in `closing` when the caller gave up and the host's answer is
 * still out. `rescinded` is final.
 */
const NEXT: Readonly<Record<ChannelState, readonly ChannelState[]>> = {
  offered: ['opening', 'rescinded'],
  opening: ['open', 'offered', 'closing', 'rescinded'],
  open: ['closing', 'rescinded'],
  closing: ['offered', 'rescinded'],
  rescinded: [],
}

/** The one place where a channel's state changes. */
export class ChannelLife {
  #state: ChannelState = 'offered'

  get state(): ChannelState {
    return this.#state
  }

  /** @throws ChannelError `rescinded` when it is, `invalid-state` when the step is not allowed. */
  to(next: ChannelState): void {
    if (this.#state === 'rescinded')
      throw new ChannelError('rescinded', `the channel is rescinded: it cannot be ${next}`)
    if (!NEXT[this.#state].includes(next)) {
      throw new ChannelError('invalid-state', `the channel is ${this.#state}: it cannot be ${next} next`)
    }
    this.#state = next
  }

  /** @returns false when it was rescinded before. */
  rescind(): boolean {
    if (this.#state === 'rescinded') return false
    this.#state = 'rescinded'
    return true
  }
}
