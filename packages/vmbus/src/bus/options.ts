import type { Hypervisor, PageConstraint } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import type { IsolationPolicy } from './isolation.ts'
import type { VmbusTiming } from './timing.ts'

/** What a bus is made with. Versions are words as on the wire: major << 16 | minor. */
export interface VmbusOptions {
  readonly hypervisor: Hypervisor
  /** Newest version to try; the tunable `hw.vmbus.max_version` (`4.0`) lowers it further. Default: all. */
  readonly maxVersion?: number
  /** Oldest version to accept. Before 3.0 some hosts go on writing after an unload. Default: all. */
  readonly minVersion?: number
  /** Works on the rings. Default: WebAssembly where the memory is of that kind, script elsewhere. */
  readonly engine?: RingEngine
  /** Reads the reference time from the TSC page where there is one; else always from the register. Default true. */
  readonly tscPage?: boolean
  /** Signals by hypercalls with their input in memory, as FreeBSD does. Default: in registers. */
  readonly slowSignals?: boolean
  /** Where rings are allocated: a PAE kernel takes `{ from: 2 ** 32 }`. Default: anywhere. */
  readonly ringConstraint?: PageConstraint
  /**
   * The host is not trusted: fewer versions and devices are accepted. Default: none, unless CPUID says that the guest is
   * isolated; then the policy's own defaults.
   */
  readonly isolation?: IsolationPolicy
  /** Tells the host who this guest is, as GUID text (6.0). */
  readonly clientId?: string
  /**
   * Where contacts of 5.0 and newer go, default 4; under a paravisor that relays VMBus, its redirect connection 0x800074.
   * What follows goes where the answer says.
   */
  readonly contactConnection?: number
  /** Gives the host monitor pages. Default true. */
  readonly monitorPages?: boolean
  readonly timing?: Partial<VmbusTiming>
}
