import type { PageAllocator } from '../memory/page-allocator.ts'
import type { BlockDevice } from './block-device.ts'
import type { CharacterDevices } from './character-device.ts'
import type { Clock, RandomSource } from './clock.ts'
import type { EthernetInterface } from './ethernet-interface.ts'
import type { Logger } from './logger.ts'

export type SysctlValue = number | string | bigint

/** A node of the sysctl tree that can take leaves and nodes; removing it takes everything below with it. */
export interface SysctlNode {
  /** Dotted name, for instance `dev.hn.0`. */
  readonly name: string
  child(name: string, description?: string): SysctlNode
  /** Adds a leaf; with `set` it can be written, and `set` may throw a RangeError to refuse. */
  leaf(name: string, description: string, get: () => SysctlValue, set?: (value: SysctlValue) => void): void
  /**
   * Adds a leaf with a value of its own that the loader may set. On a kernel like head's it takes the loader's value
   * here; on an older one its owner has to fetch it.
   */
  tunable(tunable: TunableSysctl): TunableLeaf
  /** The value of a leaf, by its name from this node on; throws when there is none. */
  get(name: string): SysctlValue
  remove(): void
}

/** A sysctl that is a loader tunable too: `CTLFLAG_RDTUN`, or `CTLFLAG_RWTUN` when it is writable. */
export interface TunableSysctl {
  /** Dotted, from the node that it is added to on. */
  readonly name: string
  readonly description: string
  /** What it is when the loader says nothing. Its type is the leaf's: a C `int` or text. */
  readonly value: number | string
  /** What the loader says is brought between these; a write outside them is refused. */
  readonly min?: number
  readonly max?: number
  /** May be written while the kernel runs. */
  readonly writable?: boolean
}

/** A leaf that was added as a tunable. */
export interface TunableLeaf {
  /** `TUNABLE_INT_FETCH`: takes what the loader says; the value stays when that is nothing, or not of the leaf's type. */
  fetch(loader: Tunables): void
  remove(): void
}

/** Loader tunables (kenv): strings by name. */
export interface Tunables {
  get(name: string): string | undefined
  /** The value as an integer, by the loader's rules (decimal, 0x…, 0…, suffix k, m, g, t), or undefined. */
  getInt(name: string): number | undefined
}

/** Things with a unit number that drivers give to the rest of the guest: disks, network interfaces. */
export interface UnitRegistry<T extends { readonly name: string }> {
  /**
   * Registers what `make` builds for the lowest free unit of a prefix (`da`), from `wired` on when that is given.
   * @returns the thing and how to take it away.
   */
  add<U extends T>(
    prefix: string,
    make: (name: string, unit: number) => U,
    wired?: number,
  ): { readonly item: U; remove(): void }
  get(name: string): T | undefined
  list(): readonly T[]
  /** Calls the listener for each that is there, each that comes, and each that goes; returns how to stop. */
  watch(listener: (event: 'arrived' | 'departed', item: T) => void): () => void
}

export type PowerRequest = 'power-off' | 'reboot' | 'hibernate'

/** What the guest's kernel offers its drivers. */
export interface Kernel {
  /** What kind of machine this is, as FreeBSD's `kern.vm_guest` says it; absent: not known. */
  readonly vmGuest?: 'none' | 'generic' | 'hv'
  readonly clock: Clock
  readonly random: RandomSource
  /** The message buffer (dmesg), lines as they are: what no device says, such as `da0 at storvsc0 …`. */
  readonly log: Logger
  readonly pages: PageAllocator
  readonly tunables: Tunables
  readonly sysctl: SysctlNode
  readonly disks: UnitRegistry<BlockDevice>
  readonly interfaces: UnitRegistry<EthernetInterface>
  /** What daemons talk to. */
  readonly characterDevices: CharacterDevices
  /** Sets the time of day, in milliseconds since 1970-01-01 UTC. */
  setRealtime(milliseconds: number): void
  /** Starts an orderly shutdown; @returns false when this kernel cannot do what is asked. */
  requestPower(request: PowerRequest, reason: string): boolean
}

/** What a bus knows about a device before any driver does. */
export interface DeviceDescription {
  /** Bus-specific identity that probing looks at, for instance the interface GUID. */
  readonly location: string
  /** Plug-and-play information, for the device listing. */
  readonly pnpinfo: string
  /** What the driver gets to work with: a Channel on VMBus. */
  readonly ivars: unknown
}

/**
 * - `not-present`: no driver took it; `alive`: probed; `attaching`, `attached`, `suspended`, `detaching`;
 * - `failed`: attach or a running driver failed; `gone`: removed.
 */
export type DeviceState =
  | 'not-present'
  | 'alive'
  | 'attaching'
  | 'attached'
  | 'suspended'
  | 'detaching'
  | 'failed'
  | 'gone'

/** A node of the device tree, as its driver and its bus see it. */
export interface Device<Ivars = unknown> {
  /** Driver name and unit (`storvsc0`); the location while no driver has it. */
  readonly nameunit: string
  readonly unit: number
  readonly parent: Device | undefined
  readonly children: readonly Device[]
  readonly state: DeviceState
  readonly location: string
  readonly pnpinfo: string
  readonly ivars: Ivars
  readonly kernel: Kernel
  /** Lines prefixed with the device's name, as device_printf does. */
  readonly log: Logger
  /** `dev.<driver>.<unit>`. */
  readonly sysctl: SysctlNode
  /** Why the device is `failed`. */
  readonly failure: Error | undefined
  /** Adds a child for a bus driver; probing and attaching happen in the order of these calls. */
  addChild(description: DeviceDescription): Device
  /** Detaches and deletes a child. Resolves when nothing of it is left. */
  removeChild(child: Device): Promise<void>
  /** Resolves when every child added so far has been probed and its attach has ended, one way or the other. */
  settled(): Promise<void>
  /**
   * Resolves when every sibling added before this device has ended its attach. A driver awaits it before it takes
   * names that users see (`da0`), so that they depend on the order of the devices, never on which was faster.
   */
  earlierSettled(): Promise<void>
  /** The device stopped working while attached: it is detached and listed as `failed` with this error. */
  fail(error: Error): void
}

/** FreeBSD's BUS_PROBE_* values: the highest wins. */
export const ProbePriority = {
  specific: 0,
  vendor: -10,
  default: -20,
  low: -40,
  generic: -100,
} as const

export interface ProbeResult {
  readonly priority: number
  /** `Hyper-V SCSI`: the text between `<` and `>` in dmesg. */
  readonly description: string
}

/** What attach leaves behind. Disposing it is detach: everything attach did, undone in reverse order. */
export interface Attachment extends AsyncDisposable {
  /** Stops using the hardware, keeps the device; the bus may renew what is below in between. */
  suspend?(): Promise<void>
  resume?(): Promise<void>
  /** The machine is going down: finish what matters, quickly. */
  shutdown?(): Promise<void>
}

/** A device driver: data for probing, one function for attaching. */
export interface Driver<Ivars = unknown> {
  /** Device name (`storvsc`, `hn`). */
  readonly name: string
  /** Kernel module that brings it (`hv_storvsc`). */
  readonly module: string
  /** Name of the bus driver whose children it can drive (`vmbus`, `nexus`, `pci`). */
  readonly bus: string
  /** Sysctls that come and go with the module, by their full names; the driver reads them in `kernel.sysctl`. */
  readonly tunables?: readonly TunableSysctl[]
  probe(device: Device<Ivars>): ProbeResult | undefined
  /** Must undo what it did when it rejects. `signal` is aborted when the device goes away meanwhile. */
  attach(device: Device<Ivars>, signal: AbortSignal): Promise<Attachment>
}
