/** A fact and where it stands. */
export interface Fact<T> {
  readonly value: T
  readonly source: string
}

/** What a release's kernel offers its drivers, where releases differ. */
export interface KernelInterface {
  /** `__FreeBSD_version`, which the hypervisor is told. */
  readonly osReleaseDate: Fact<number>
  /** How the stack hands frames to a driver: through `if_transmit`, or a queue of so many frames and `if_start`. */
  readonly transmit: Fact<'transmit' | { readonly startQueue: number }>
  /** Disk requests may come with pages that are not mapped; otherwise as one mapped buffer. */
  readonly unmappedIo: Fact<boolean>
  /** Longest disk request in bytes. */
  readonly maxDiskIo: Fact<number>
  /** Who drives IDE: ata(4) by itself, or CAM. */
  readonly diskStack: Fact<'ata' | 'cam'>
  /** Names of IDE disks and drives. `fixed`: the unit is the place on the bus, not the order of arrival. */
  readonly ideNames: Fact<{ readonly disk: string; readonly optical: string; readonly fixed: boolean }>
  /** Granularity of callouts in milliseconds: a tick, or 0 where they take any time. */
  readonly calloutTick: Fact<number>
  /** What the Hyper-V time counter reads: the MSR, or the reference TSC page too. */
  readonly timeCounter: Fact<'msr' | 'tsc-page'>
  /** Whether a sysctl that is a tunable takes its value from the loader by itself. */
  readonly sysctlTunables: Fact<boolean>
  /** How the emulated IDE disks are kept from showing twice. */
  readonly disengage: Fact<DisengageStyle>
}

/**
 * - `controller`: a driver of higher priority takes every IDE controller and does nothing with it, the optical drive goes too;
 * - `channel`: the same for the first channel only;
 * - `disks`: the disks of the emulated controller are refused, everything else stays.
 */
export type DisengageStyle = 'controller' | 'channel' | 'disks'

/** What emulators/hyperv-is installs on a release; nothing where the drivers are in the base system. */
export interface PortShape {
  readonly kind: 'drivers' | 'kvp-only'
  /** Version of the integration services and of the port. */
  readonly bisVersion: string
  readonly portVersion: string
  readonly distfile: string
  /** Which lines of the package list are used: A for 8.4 and 9.x, B for 10.0. */
  readonly listVariant: 'A' | 'B'
}

export interface ReleaseProfile {
  /** `9.2`; `head` for the development branch. */
  readonly name: string
  /** Modules in the release's own kernel. */
  readonly builtIn: Fact<readonly string[]>
  readonly port: Fact<PortShape | undefined>
  /** Where the KVP daemon is when it is installed. */
  readonly daemon: Fact<string>
  /** Where the scripts it runs are. */
  readonly scripts: Fact<string>
  readonly kernel: KernelInterface
}
