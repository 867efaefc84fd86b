import type { Attachment, Channel, Device, Driver } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator, ProbePriority } from '@bis/hyperv-types'
import type { GuestKernel } from '@bis/newbus'
import { createKernel, DeviceTree } from '@bis/newbus'
import type { PartitionOptions } from '@bis/partition'
import { Partition } from '@bis/partition'
import type { VmbusDriver, VmbusOptions } from '../src/index.ts'
import { vmbusDriver } from '../src/index.ts'
import { DelayedRoot } from './delayed-root.ts'

export interface MachineOptions extends Omit<VmbusOptions, 'hypervisor'> {
  readonly partition?: Partial<PartitionOptions>
  readonly memoryPages?: number
  readonly drivers?: readonly Driver[]
  readonly tunables?: Readonly<Record<string, string>>
}

/** A partition, a guest kernel with the bus driver, and a root that a test scripts. */
export interface Machine {
  readonly clock: ManualClock
  readonly partition: Partition
  readonly root: DelayedRoot
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly driver: VmbusDriver
  readonly pages: PageAllocator
  /** Adds the VMBus node to the nexus; resolves when nothing is left to do. */
  boot(): Promise<Device>
  dmesg(): string[]
  channel(channelId: number): Channel
}

export async function createMachine(options: MachineOptions = {}): Promise<Machine> {
  const clock = new ManualClock()
  const memory = GuestMemory.allocate((options.memoryPages ?? 1024) * 4096, { kind: 'shared' })
  const partition = new Partition({ memory, clock, ...options.partition })
  const root = new DelayedRoot(partition.ports)
  const pages = new PageAllocator(partition.memory, 4096)
  const kernel = createKernel({ clock, random: (bytes) => bytes.fill(7), pages })
  for (const [name, value] of Object.entries(options.tunables ?? {})) kernel.tunables.set(name, value)
  const tree = new DeviceTree(kernel)
  const driver = vmbusDriver({ ...options, hypervisor: partition })
  await tree.load({ name: 'hv_vmbus', drivers: [driver] })
  if (options.drivers !== undefined) await tree.load({ name: 'test', drivers: options.drivers })
  return {
    clock,
    partition,
    root,
    kernel,
    tree,
    driver,
    pages,
    async boot() {
      const device = tree.root.addChild({ location: 'vmbus', pnpinfo: '_HID=VMBUS', ivars: undefined })
      await clock.run()
      return device
    },
    dmesg: () => kernel.dmesg.lines.map(({ text }) => text),
    channel(channelId) {
      const found = driver.attached?.channels.find(({ offer }) => offer.channelId === channelId)
      if (found === undefined) throw new Error(`no channel ${channelId}`)
      return found
    },
  }
}

export interface TestDriverOptions {
  readonly name?: string
  attach?(channel: Channel, device: Device<Channel>, signal: AbortSignal): Promise<void> | void
  detach?(channel: Channel): Promise<void> | void
  suspend?(channel: Channel): Promise<void>
  resume?(channel: Channel): Promise<void>
}

/** A driver for every device on the bus. */
export function testDriver(options: TestDriverOptions = {}): Driver {
  const driver: Driver<Channel> = {
    name: options.name ?? 'test',
    module: 'test',
    bus: 'vmbus',
    probe: () => ({ priority: ProbePriority.generic, description: 'Test device' }),
    async attach(device, signal): Promise<Attachment> {
      const channel = device.ivars
      await options.attach?.(channel, device, signal)
      const { suspend, resume } = options
      return {
        ...(suspend === undefined ? {} : { suspend: () => suspend(channel) }),
        ...(resume === undefined ? {} : { resume: () => resume(channel) }),
        [Symbol.asyncDispose]: async () => {
          await options.detach?.(channel)
          await channel.close()
        },
      }
    },
  }
  return driver as Driver
}

/** Lets the machine run, then gives what became of a promise: its value, or the error it was rejected with. */
export async function outcome<T>(
  clock: ManualClock,
  promise: Promise<T>,
  milliseconds = 0,
): Promise<T | Error | 'pending'> {
  let result: T | Error | 'pending' = 'pending'
  promise.then(
    (value) => {
      result = value
    },
    (error: Error) => {
      result = error
    },
  )
  await clock.advance(milliseconds)
  return result
}

/** Shuts the machine down and says what it left: pages, overlays, timers. */
export async function leftovers(machine: Machine): Promise<Record<string, number>> {
  let over = false
  const down = machine.tree.shutdown().finally(() => {
    over = true
  })
  for (let seconds = 0; seconds < 240 && !over; seconds++) await machine.clock.advance(seconds === 0 ? 0 : 1000)
  await down
  await machine.clock.run()
  return {
    allocatedPages: machine.pages.allocatedPages,
    heldPages: machine.pages.heldPages,
    overlayPages: machine.partition.overlayPages,
    timers: machine.clock.pendingTimers,
  }
}

export const NOTHING_LEFT = { allocatedPages: 0, heldPages: 0, overlayPages: 0, timers: 0 }
export const RINGS = { txRingBytes: 8192, rxRingBytes: 8192, onPacket() {} } as const
