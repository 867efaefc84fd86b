/** A fact and where it stands. */
export interface Fact<T> {
  readonly value: T
  /** The files of the release, or what else tells it; `not re-read` where only a neighbour of the release was at hand. */
  readonly source: string
}

/** What a release's kernel offers its drivers, where releases differ. */
export interface KernelInterface {
  /** `__FreeBSD_version`, which the hypervisor is told. */
  readonly osReleaseDate: Fact<number>
  /** How the release's hn(4) gets its frames: through `if_transmit`, or from a queue of so many frames by `if_start`. */
  readonly transmit: Fact<'transmit' | { readonly startQueue: number }>
  /** Disk requests may come with pages that are not mapped; otherwise as one mapped buffer. */
  readonly unmappedIo: Fact<boolean>
  /** Longest disk request in bytes that a driver may be given. */
  readonly maxDiskIo: Fact<number>
  /** Who drives IDE: ata(4) by itself, or CAM. */
  readonly diskStack: Fact<'ata' | 'cam'>
  /** Names of IDE disks and drives. `fixed`: the unit is the place on the bus, not the order of arrival. */
  readonly ideNames: Fact<{ readonly disk: string; readonly optical: string; readonly fixed: boolean }>
  /** Granularity of callouts in milliseconds: a tick, or 0 where they take any time. */
  readonly calloutTick: Fact<number>
  /** Whether taskqueues have tasks that run after a time, and threads that stay on one processor; undefined: not known. */
  readonly taskqueues: Fact<{ readonly timeoutTasks: boolean | undefined; readonly boundThreads: boolean }>
  /** Whose child vmbus is. */
  readonly busParent: Fact<'nexus' | 'acpi'>
  /** Where vmbus gets its interrupt vector, and on which processors it is taken. */
  readonly interruptVector: Fact<{ readonly from: 'ioapic' | 'lapic'; readonly processors: 'first' | 'all' }>
  /** What vmbus handles messages and events in: software interrupts, or a taskqueue for each processor. */
  readonly interruptWork: Fact<'software-interrupt' | 'taskqueues'>
  /** What the Hyper-V time counter reads: the MSR, or the reference TSC page too. */
  readonly timeCounter: Fact<'msr' | 'tsc-page'>
  /** Whether a sysctl that is a tunable takes its value from the loader by itself. */
  readonly sysctlTunables: Fact<boolean>
  /** How the release keeps the emulated IDE disks from showing twice; our driver does as head on each of them. */
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
