import { HostError } from '../errors.ts'

/**
 * - `running`: serves its guest; `restoring`: replays what another server saved, unheard by the guest;
 * - `saving`: devices finish and nothing new begins; `stopping`: the guest is let go, devices are closing;
 * - `stopped`: hears and says nothing any more.
 */
export type ServerState = 'running' | 'restoring' | 'saving' | 'stopping' | 'stopped'

const NEXT: Readonly<Record<ServerState, readonly ServerState[]>> = {
  running: ['restoring', 'saving', 'stopping'],
  restoring: ['running'],
  saving: ['stopped'],
  stopping: ['stopped'],
  stopped: ['stopped'],
}

/** The one place where a server's state changes. */
export class ServerLife {
  readonly #name: string
  #state: ServerState = 'running'

  /** @param name of the guest, for messages */
  constructor(name: string) {
    this.#name = name
  }

  get state(): ServerState {
    return this.#state
  }

  /** @throws HostError `stopped` unless the server is running */
  mustRun(): void {
    if (this.#state !== 'running') throw new HostError('stopped', `${this.#name}: the server is ${this.#state}`)
  }

  /** @throws HostError `stopped` for a step that is not allowed */
  to(next: ServerState): void {
    if (!NEXT[this.#state].includes(next)) {
      throw new HostError('stopped', `${this.#name}: the server is ${this.#state}: it cannot be ${next} next`)
    }
    this.#state = next
  }
}
