import type { BlockDevice, EthernetInterface, Kernel, UnitRegistry } from '@bis/hyperv-types'
import type { KernelInterface } from '../releases/profile.ts'
import { BouncedDisk } from './bounced-disk.ts'
import { FetchingSysctl } from './fetching-sysctl.ts'
import { StartQueue } from './start-queue.ts'
import { TickClock } from './tick-clock.ts'

/** What a driver may use is as the shim shows it; the rest is the kernel's own. */
export type AdaptedKernel<K extends Kernel> = Omit<K, keyof Kernel> & Kernel

/**
 * The kernel of an older release as its drivers see it through the shim: they were written against head's interface and
 * find it here, while the rest of the guest sees their disks and interfaces as that release has them.
 * @param kernel what the guest has; it is not changed
 */
export function adaptKernel<K extends Kernel>(kernel: K, facts: KernelInterface): AdaptedKernel<K> {
  const { transmit, unmappedIo, maxDiskIo, calloutTick, sysctlTunables } = facts
  const limits = { mapped: !unmappedIo.value, maxBytes: maxDiskIo.value }
  const disk = (device: BlockDevice): BlockDevice => new BouncedDisk(device, kernel.pages, limits)
  const queue = transmit.value
  const network = (device: EthernetInterface): EthernetInterface =>
    queue === 'transmit' ? device : new StartQueue(device, queue.startQueue)
  return {
    ...kernel,
    clock: calloutTick.value === 0 ? kernel.clock : new TickClock(kernel.clock, calloutTick.value),
    sysctl: sysctlTunables.value ? kernel.sysctl : new FetchingSysctl(kernel.sysctl, kernel.tunables),
    disks: new AdaptedUnits(kernel.disks, disk),
    interfaces: new AdaptedUnits(kernel.interfaces, network),
  }
}

/** Gives the guest what `wrap` makes of each thing that a driver adds. */
class AdaptedUnits<T extends { readonly name: string }> implements UnitRegistry<T> {
  readonly #units: UnitRegistry<T>
  readonly #wrap: (item: T) => T

  constructor(units: UnitRegistry<T>, wrap: (item: T) => T) {
    this.#units = units
    this.#wrap = wrap
  }

  add<U extends T>(
    prefix: string,
    make: (name: string, unit: number) => U,
    wired?: number,
  ): { readonly item: U; remove(): void } {
    let made: U | undefined
    const build = (name: string, unit: number): T => {
      made = make(name, unit)
      return this.#wrap(made)
    }
    const { remove } = this.#units.add(prefix, build, wired)
    if (made === undefined) throw new TypeError(`no ${prefix} was made`)
    return { item: made, remove }
  }

  get(name: string): T | undefined {
    return this.#units.get(name)
  }

  list(): readonly T[] {
    return this.#units.list()
  }

  watch(listener: (event: 'arrived' | 'departed', item: T) => void): () => void {
    return this.#units.watch(listener)
  }
}
