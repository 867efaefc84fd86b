import { FileCopyComponent } from './file-copy.ts'
import { HeartbeatComponent } from './heartbeat.ts'
import type { IcOptions, IntegrationComponent } from './integration-component.ts'
import type { KvpOptions } from './kvp/kvp.ts'
import { KvpComponent } from './kvp/kvp.ts'
import { ShutdownComponent } from './shutdown.ts'
import { TimesyncComponent } from './timesync.ts'
import { VssComponent } from './vss.ts'

export interface IntegrationServicesOptions extends IcOptions {
  /** Settings of the key-value exchange. */
  readonly kvp?: Omit<KvpOptions, keyof IcOptions>
}

/** The integration components of one machine, as its host's release has them. */
export class IntegrationServices {
  readonly heartbeat: HeartbeatComponent
  readonly kvp: KvpComponent
  readonly shutdown: ShutdownComponent
  readonly timesync: TimesyncComponent
  readonly vss: VssComponent
  readonly fileCopy: FileCopyComponent
  /** All of them, in the order in which a host offers them. */
  readonly components: readonly IntegrationComponent[]

  constructor(options: IntegrationServicesOptions) {
    this.heartbeat = new HeartbeatComponent(options)
    this.kvp = new KvpComponent({ ...options, ...options.kvp })
    this.shutdown = new ShutdownComponent(options)
    this.timesync = new TimesyncComponent(options)
    this.vss = new VssComponent(options)
    this.fileCopy = new FileCopyComponent(options)
    const all: IntegrationComponent[] = [
      this.heartbeat,
      this.kvp,
      this.shutdown,
      this.timesync,
      this.vss,
      this.fileCopy,
    ]
    this.components = all.filter(({ kind }) => options.release.ic[kind.name].length > 0)
  }
}
