import { HeartbeatComponent } from './heartbeat.ts'
import type { IcOptions, IntegrationComponent } from './integration-component.ts'

export type IntegrationServicesOptions = IcOptions

/** The integration components of one machine, as its host's release has them. */
export class IntegrationServices {
  readonly heartbeat: HeartbeatComponent
  /** All of them, in the order in which a host offers them. */
  readonly components: readonly IntegrationComponent[]

  constructor(options: IntegrationServicesOptions) {
    this.heartbeat = new HeartbeatComponent(options)
    const all: IntegrationComponent[] = [this.heartbeat]
    this.components = all.filter(({ kind }) => options.release.ic[kind.name].length > 0)
  }
}
