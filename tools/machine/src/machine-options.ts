import type { GuestOptions, HostReleaseName } from '@bis/host'
import type { Clock, Logger, MemoryKind, PortDevice, RandomSource, VspDevice } from '@bis/hyperv-types'
import type { DriverKernel, GuestKernel, KernelModule } from '@bis/newbus'
import type { PartitionOptions } from '@bis/partition'
import type { VmbusOptions } from '@bis/vmbus'
import type { IdeNames } from './legacy/index.ts'

export const DEFAULT_MEMORY_BYTES = 64 * 2 ** 20

/** What the guest and its hypervisor are like, wherever the root is. */
export interface GuestMachineOptions {
  /** Drivers beside the bus driver, as modules, in the order they are loaded. */
  readonly modules?: readonly KernelModule[]
  /** Guest memory in bytes; default 64 MiB. */
  readonly memoryBytes?: number
  /**
   * Where the hole for devices below 4 GiB begins, in bytes: memory beyond it lies above 4 GiB. Default: where the MMIO
   * space of `partition.lowMmioMegabytes` begins.
   */
  readonly gapBase?: number
  readonly processorCount?: number
  /** Default `2025`. */
  readonly release?: HostReleaseName
  readonly generation?: 1 | 2
  /** False for a guest without `hv_vmbus`; it may be loaded later. */
  readonly loadBus?: boolean
  /** What the drivers see of the guest's kernel: the shim for an older one. */
  readonly adaptKernel?: (kernel: GuestKernel) => DriverKernel
  /** What the guest's kernel calls IDE disks and drives; default `ada` and `cd`. */
  readonly ideNames?: IdeNames
  readonly tunables?: Readonly<Record<string, string>>
  /** The guest's `__FreeBSD_version`, which its hypervisor is told. Default: that of head. */
  readonly osReleaseDate?: number
  /** Whether sysctls that are tunables take the loader's values by themselves, as since FreeBSD 11. Default true. */
  readonly fetchTunables?: boolean
  /** Keep `debug` lines in dmesg. */
  readonly verbose?: boolean
  readonly clock?: Clock
  readonly random?: RandomSource
  /** Called for each line of dmesg as it is written. */
  readonly onDmesg?: (text: string) => void
  /** More of the partition and the bus driver, for those who test them. */
  readonly partition?: Omit<PartitionOptions, 'memory' | 'clock' | 'release' | 'processorCount'>
  readonly bus?: Omit<VmbusOptions, 'hypervisor'>
}

export interface MachineOptions extends GuestMachineOptions {
  /** Devices of the host that are there when the machine is switched on. */
  readonly devices?: readonly VspDevice[]
  /** Emulated devices at I/O ports, of a generation 1 machine: see `gen1Chipset` of `@bis/host`. */
  readonly chipset?: readonly PortDevice[]
  /** Default `wasm`: shared WebAssembly.Memory. With host and guest in one thread `local` is quicker. */
  readonly memoryKind?: Exclude<MemoryKind, 'mapped'>
  /** Where the host's own lines go; default nowhere. */
  readonly hostLog?: Logger
  /** More of the host's side, for those who test it. */
  readonly guest?: GuestOptions
}

/** @see GuestMachineOptions.gapBase */
export function gapBaseOf({ gapBase, partition }: GuestMachineOptions): { readonly gapBase?: number } {
  const megabytes = partition?.lowMmioMegabytes
  if (gapBase !== undefined) return { gapBase }
  return megabytes === undefined ? {} : { gapBase: 2 ** 32 - megabytes * 2 ** 20 }
}
