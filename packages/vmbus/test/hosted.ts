import type { HostReleaseName, VmbusServer, VmbusServerOptions } from '@bis/host'
import { Host } from '@bis/host'
import type {
  Channel,
  Clock,
  Driver,
  HostChannel,
  HostChannelHandlers,
  MemoryKind,
  OfferDescription,
  Packet,
  SynicPorts,
  VspDevice,
  VspPort,
} from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import type { GuestKernel } from '@bis/newbus'
import { createKernel, DeviceTree } from '@bis/newbus'
import type { PartitionOptions } from '@bis/partition'
import { Partition } from '@bis/partition'
import type { VmbusDriver, VmbusOptions } from '../src/index.ts'
import { vmbusDriver } from '../src/index.ts'

export interface HostedOptions<C extends Clock> extends Omit<VmbusOptions, 'hypervisor'> {
  readonly clock?: C
  readonly release?: HostReleaseName
  readonly memoryKind?: Exclude<MemoryKind, 'mapped'>
  readonly memoryPages?: number
  readonly devices?: readonly VspDevice[]
  readonly drivers?: readonly Driver[]
  readonly partition?: Partial<PartitionOptions>
  readonly server?: Partial<VmbusServerOptions>
  /** Each message that the guest posts. */
  onPost?(connectionId: number): void
}

/** A guest with the bus driver on the software host. */
export interface Hosted<C extends Clock> {
  readonly clock: C
  readonly partition: Partition
  readonly server: VmbusServer
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly driver: VmbusDriver
  readonly pages: PageAllocator
  readonly ports: readonly VspPort[]
  /** Primary channels in the order of their offers. */
  readonly channels: readonly Channel[]
  dmesg(): string[]
}

export async function createHosted(options: HostedOptions<ManualClock> = {}): Promise<Hosted<ManualClock>> {
  const clock = options.clock ?? new ManualClock()
  const hosted = await createOn(clock, options)
  hosted.tree.root.addChild({ location: 'vmbus', pnpinfo: '_HID=VMBUS', ivars: undefined })
  await clock.run()
  return hosted
}

/** As {@link createHosted}, on a clock that goes by itself. */
export async function createRunning(clock: Clock, options: HostedOptions<Clock> = {}): Promise<Hosted<Clock>> {
  const hosted = await createOn(clock, options)
  hosted.tree.root.addChild({ location: 'vmbus', pnpinfo: '_HID=VMBUS', ivars: undefined })
  await hosted.tree.settled()
  return hosted
}

async function createOn<C extends Clock>(clock: C, options: HostedOptions<Clock>): Promise<Hosted<C>> {
  const release = options.release ?? '2025'
  const memory = GuestMemory.allocate((options.memoryPages ?? 2048) * 4096, { kind: options.memoryKind ?? 'shared' })
  const partition = new Partition({ memory, clock, release, ...options.partition })
  const host = new Host({ release, clock })
  const server = host.addGuest(watched(partition.ports, options.onPost), options.server)
  const ports = (options.devices ?? []).map((device) => server.offer(device))
  const pages = new PageAllocator(partition.memory, 4096)
  const kernel = createKernel({ clock, random: (bytes) => bytes.fill(7), pages })
  const tree = new DeviceTree(kernel)
  const driver = vmbusDriver({ ...options, hypervisor: partition })
  await tree.load({ name: 'hv_vmbus', drivers: [driver] })
  if (options.drivers !== undefined) await tree.load({ name: 'test', drivers: options.drivers })
  return {
    clock,
    partition,
    server,
    kernel,
    tree,
    driver,
    pages,
    ports,
    get channels() {
      return driver.attached?.channels ?? []
    },
    dmesg: () => kernel.dmesg.lines.map(({ text }) => text),
  }
}

/** Ports whose guest's posts are reported. */
function watched(ports: SynicPorts, onPost: ((connectionId: number) => void) | undefined): SynicPorts {
  if (onPost === undefined) return ports
  return {
    memory: ports.memory,
    processorCount: ports.processorCount,
    postMessage: (...args) => ports.postMessage(...args),
    signalEvent: (...args) => ports.signalEvent(...args),
    connect: (root) =>
      ports.connect({
        messagePosted(connectionId, ...rest) {
          onPost(connectionId)
          return root.messagePosted(connectionId, ...rest)
        },
        eventSignaled: (...args) => root.eventSignaled(...args),
        partitionReset: () => root.partitionReset(),
      }),
  }
}

export interface EchoOptions extends Partial<OfferDescription> {
  /** Instead of echoing. */
  onPacket?(packet: Packet, channel: HostChannel): void
  onOpen?(channel: HostChannel): void
}

export const ECHO_CLASS = 'e17b01de-0000-4000-8000-000000000001'

/** A device that sends every in-band packet back as a completion, keeping what does not fit until it does. */
export class EchoDevice implements VspDevice {
  readonly offer: OfferDescription
  readonly channels: HostChannel[] = []
  port: VspPort | undefined
  readonly #options: EchoOptions

  constructor(options: EchoOptions = {}) {
    this.#options = options
    const { onPacket: _onPacket, onOpen: _onOpen, ...offer } = options
    this.offer = { interfaceId: ECHO_CLASS, instanceId: 'e17b01de-0000-4000-8000-0000000000ff', ...offer }
  }

  onOffered(port: VspPort): void {
    this.port = port
  }

  openChannel(channel: HostChannel): HostChannelHandlers {
    this.channels.push(channel)
    this.#options.onOpen?.(channel)
    const waiting: { low: number; high: number; data: Uint8Array }[] = []
    const { onPacket } = this.#options
    return {
      onPacket(packet) {
        if (onPacket !== undefined) {
          onPacket(packet, channel)
          return
        }
        const { bytes, dataOffset, dataLength, transactionIdLow, transactionIdHigh } = packet
        const full =
          waiting.length > 0 ||
          channel.send(11, 0, transactionIdLow, transactionIdHigh, undefined, 0, bytes, dataOffset, dataLength) !== 0
        if (!full) return
        const data = bytes.slice(dataOffset, dataOffset + dataLength)
        waiting.push({ low: transactionIdLow, high: transactionIdHigh, data })
      },
      onWritable() {
        for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
          if (channel.send(11, 0, next.low, next.high, undefined, 0, next.data, 0, next.data.length) !== 0) return
          waiting.shift()
        }
      },
      onClose: () => {
        this.channels.splice(this.channels.indexOf(channel), 1)
      },
    }
  }
}
