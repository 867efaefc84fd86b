import type {
  BlockDevice,
  Clock,
  EthernetInterface,
  Kernel,
  Logger,
  PageAllocator,
  PowerRequest,
  RandomSource,
} from '@bis/hyperv-types'
import { DeviceFiles } from './character-devices.ts'
import { MessageBuffer } from './message-buffer.ts'
import { SysctlTree } from './sysctl.ts'
import { KernelEnvironment } from './tunables.ts'
import { Units } from './unit-registry.ts'

/** Source: the Porter's Handbook, __FreeBSD_version values. */
const HEAD_RELEASE_DATE = 1_600_010

export interface KernelOptions {
  readonly clock: Clock
  readonly random: RandomSource
  readonly pages: PageAllocator
  readonly tunables?: Readonly<Record<string, string>>
  /** `__FreeBSD_version`, shown as `kern.osreldate`. Default: that of head in January 2026. */
  readonly osReleaseDate?: number
  /** Whether a sysctl that is a tunable takes the loader's value when it is added, as since FreeBSD 11. Default true. */
  readonly fetchTunables?: boolean
  /** Default `none`. */
  readonly vmGuest?: 'none' | 'generic' | 'hv'
  /** Keep `debug` lines in dmesg. */
  readonly verbose?: boolean
  /** Called for a shutdown that a driver asks for; answers whether it will happen. Without it all are refused. */
  readonly onPowerRequest?: (request: PowerRequest, reason: string) => boolean
}

/** The guest kernel as its drivers see it, with what only the machine around it needs besides. */
export interface GuestKernel extends Kernel {
  readonly dmesg: MessageBuffer
  readonly log: Logger
  readonly tunables: KernelEnvironment
  readonly sysctl: SysctlTree
  readonly disks: Units<BlockDevice>
  readonly interfaces: Units<EthernetInterface>
  /** The guest's time of day in milliseconds since 1970-01-01 UTC. */
  realtime(): number
}

/** What a device tree needs of the kernel whose drivers it hosts: that, or an older one as a shim shows it. */
export type DriverKernel = Kernel & Pick<GuestKernel, 'dmesg'>

export function createKernel(options: KernelOptions): GuestKernel {
  const { clock, random, pages } = options
  const dmesg = new MessageBuffer(clock, options.verbose === undefined ? {} : { verbose: options.verbose })
  const kernelClock = new KernelTime(clock)
  const { vmGuest = 'none', osReleaseDate = HEAD_RELEASE_DATE, fetchTunables = true } = options
  const tunables = new KernelEnvironment(options.tunables)
  const sysctl = new SysctlTree(fetchTunables ? tunables : undefined)
  sysctl.child('kern').leaf('osreldate', 'Kernel release date', () => osReleaseDate)
  sysctl.child('kern').leaf('vm_guest', 'virtual machine guest detected', () => vmGuest)
  return {
    vmGuest,
    clock: kernelClock,
    random,
    pages,
    dmesg,
    log: dmesg.logger(),
    tunables,
    sysctl,
    disks: new Units<BlockDevice>(),
    interfaces: new Units<EthernetInterface>(),
    characterDevices: new DeviceFiles(),
    realtime: () => kernelClock.realtime(),
    setRealtime: (milliseconds) => kernelClock.setRealtime(milliseconds),
    requestPower: (request, reason) => options.onPowerRequest?.(request, reason) ?? false,
  }
}

/** The machine's clock with the guest's own time of day, which the guest can set. */
class KernelTime implements Clock {
  readonly #clock: Clock
  #offset = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  realtime(): number {
    return this.#clock.realtime() + this.#offset
  }

  setRealtime(milliseconds: number): void {
    this.#offset = milliseconds - this.#clock.realtime()
  }

  after(milliseconds: number, task: () => void): ReturnType<Clock['after']> {
    return this.#clock.after(milliseconds, task)
  }

  soon(task: () => void): void {
    this.#clock.soon(task)
  }

  later(task: () => void): void {
    this.#clock.later(task)
  }
}
