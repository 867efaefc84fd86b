import type { Attachment, Channel, Device, Driver, ProbeResult, SysctlNode } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'
import { formatVstorVersion } from '@bis/hyperv-types/storage'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { StorvscAdapter } from './adapter.ts'
import type { BusShape } from './scsi-bus.ts'
import { ScsiBus } from './scsi-bus.ts'
import type { StorvscSettings } from './settings.ts'
import { readSettings, TUNABLES } from './settings.ts'
import { publishStatistics } from './statistics.ts'

interface Model {
  readonly description: string
  /** As FreeBSD calls the CAM interface module. */
  readonly sim: string
  readonly shape: (channel: Channel) => Pick<BusShape, 'targets' | 'singleLun'>
}

const MODELS: Readonly<Record<string, Model>> = {
  [InterfaceId.SCSI]: {
    description: 'Hyper-V SCSI',
    sim: 'storvsc',
    shape: () => ({ targets: grid(1, 2), singleLun: false }),
  },
  [InterfaceId.IDE]: {
    description: 'Hyper-V IDE',
    sim: 'blkvsc',
    shape: ({ offer }) => ({ targets: [{ path: 0, target: ideDevice(offer.instanceId) }], singleLun: true }),
  },
  [InterfaceId.FIBRE_CHANNEL]: {
    description: 'Hyper-V Fibre Channel',
    sim: 'storvsc',
    shape: () => ({ targets: grid(8, 128), singleLun: false }),
  },
}

/**
 * The storage driver: attaches to SCSI controllers, accelerated IDE disks and Fibre Channel adapters, and gives their disks
 * and drives to the kernel as `da0`, `cd0` and so on.
 * @param settings count more than the loader's tunables
 */
export function storvsc(settings: Partial<StorvscSettings> = {}): Driver<Channel> {
  return {
    name: 'storvsc',
    module: 'hv_storvsc',
    bus: 'vmbus',
    tunables: TUNABLES,
    probe(device): ProbeResult | undefined {
      const { interfaceId } = device.ivars.offer
      const model = MODELS[interfaceId]
      // The ATA driver has the disk then: whatever the value is, the tunable counts by being there.
      const left = interfaceId === InterfaceId.IDE && device.kernel.tunables.getInt('hw.ata.disk_enable') !== undefined
      return model === undefined || left
        ? undefined
        : { priority: ProbePriority.default, description: model.description }
    },
    attach: (device, signal) => attach(device, settings, signal),
  }
}

async function attach(
  device: Device<Channel>,
  given: Partial<StorvscSettings>,
  signal: AbortSignal,
): Promise<StorvscAttachment> {
  const channel = device.ivars
  const model = MODELS[channel.offer.interfaceId]
  if (model === undefined) throw new TypeError(`no storage controller: ${channel.offer.interfaceId}`)
  const { kernel } = device
  const adapter = new StorvscAdapter({
    channel,
    clock: kernel.clock,
    log: device.log,
    settings: readSettings(kernel.sysctl, given),
    onBroken: (error) => device.fail(error),
    fibreChannel: channel.offer.interfaceId === InterfaceId.FIBRE_CHANNEL,
  })
  const bus = new ScsiBus(adapter, kernel, {
    simName: `${model.sim}${device.unit}`,
    busNumber: device.unit,
    turn: () => device.earlierSettled(),
    ...model.shape(channel),
  })
  const attachment = new StorvscAttachment(device, adapter, bus)
  await attachment.start(signal)
  publish(device.sysctl, adapter)
  return attachment
}

/** An attached controller. */
class StorvscAttachment implements Attachment {
  readonly adapter: StorvscAdapter
  readonly bus: ScsiBus
  readonly #device: Device<Channel>
  readonly #stopListening: () => void

  constructor(device: Device<Channel>, adapter: StorvscAdapter, bus: ScsiBus) {
    this.#device = device
    this.adapter = adapter
    this.bus = bus
    this.#stopListening = adapter.onBusChange(() => void bus.rescan())
  }

  async start(signal: AbortSignal): Promise<void> {
    const negotiated = await this.adapter.start(signal)
    const { log } = this.#device
    const { channels, requests, maxTransferBytes } = this.adapter
    const { names } = negotiated
    const version = formatVstorVersion(negotiated.version)
    const limits = `${channels.length} channels, ${requests.all.length} requests of ${maxTransferBytes / 1024} KB`
    log.log('info', `VSTOR version ${version}, ${limits}`)
    if (names !== undefined) log.log('info', `port WWN ${names.port}, node WWN ${names.node}`)
    await this.bus.rescan()
  }

  /** What the host has is waited for; what comes after waits for resume. */
  async suspend(): Promise<void> {
    await this.adapter.suspend()
  }

  async resume(): Promise<void> {
    await this.start(new AbortController().signal)
  }

  async shutdown(): Promise<void> {
    await Promise.allSettled(this.bus.disks.filter((disk) => !disk.readOnly).map((disk) => disk.flush()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening()
    await Promise.all([this.bus.stop(), this.adapter.close()])
  }
}

function publish(node: SysctlNode, adapter: StorvscAdapter): void {
  publishStatistics(node, adapter.statistics)
  node.leaf('queue_depth', 'requests at most in the hands of the host', () => adapter.requests.all.length)
  node.leaf('in_flight', 'requests in the hands of the host', () => adapter.requests.inHand)
  node.leaf('bounce_pages', 'pages of bounce buffers in use', () => adapter.requests.bounce.pagesInUse)
  const channels = node.child('channel', 'channels of this controller')
  for (const io of new Set(adapter.channels)) {
    const channel = channels.child(String(io.channel.offer.channelId))
    channel.leaf('send_req', '# of request sending from this channel', () => io.sent)
  }
}

function grid(paths: number, targets: number): readonly { readonly path: number; readonly target: number }[] {
  return Array.from({ length: paths * targets }, (_, i) => ({ path: Math.floor(i / targets), target: i % targets }))
}

/** The device number of an IDE disk, out of its instance id `0000000C-000D-8899-…`. */
function ideDevice(instanceId: string): number {
  return Number.parseInt(instanceId.slice(9, 13), 16) & 0xff
}
