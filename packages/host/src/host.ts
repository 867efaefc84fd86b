import type { Clock, Logger, SynicPorts } from '@bis/hyperv-types'
import type { HostRelease, HostReleaseName } from './host-release.ts'
import { hostRelease } from './host-release.ts'
import type { VmbusServerOptions } from './vmbus/server-options.ts'
import { ServiceQueue } from './vmbus/service-queue.ts'
import { VmbusServer } from './vmbus/vmbus-server.ts'

export interface HostOptions {
  readonly release: HostReleaseName
  readonly clock: Clock
  readonly log?: Logger
}

export type GuestOptions = Partial<Omit<VmbusServerOptions, 'ports' | 'queue' | 'clock'>>

/** A machine that runs guests side by side: one release, one thread, and nothing else in common between them. */
export class Host {
  readonly release: HostRelease
  readonly #options: HostOptions
  readonly #queue: ServiceQueue
  readonly #guests = new Set<VmbusServer>()
  #count = 0

  constructor(options: HostOptions) {
    this.#options = options
    this.release = hostRelease(options.release)
    this.#queue = new ServiceQueue(options.clock)
  }

  get guests(): readonly VmbusServer[] {
    return [...this.#guests]
  }

  /** Gives a partition its VMBus. Without a name guests are numbered. */
  addGuest(ports: SynicPorts, options: GuestOptions = {}): VmbusServer {
    const { clock, log } = this.#options
    this.#count++
    const server = new VmbusServer({
      release: this.release,
      name: `guest ${this.#count}`,
      ...(log === undefined ? {} : { log }),
      ...options,
      clock,
      ports,
      queue: this.#queue,
    })
    this.#guests.add(server)
    return server
  }

  /** Lets go of one guest; the others do not notice. */
  async removeGuest(server: VmbusServer): Promise<void> {
    this.#guests.delete(server)
    await server[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#guests].map((server) => this.removeGuest(server)))
  }
}
