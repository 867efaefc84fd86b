import type { Attachment, Device, Driver, PciFunction } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'
import { AtaDisk } from './ata-disk.ts'
import { AtaOptical } from './ata-optical.ts'
import { AtaPort } from './ata-port.ts'
import type { AttachedAtaUnit } from './ata-unit.ts'
import { identify } from './ata-unit.ts'

/** What the kernel calls IDE disks and drives. */
export interface IdeNames {
  readonly disk: string
  readonly optical: string
  /** The unit is the place on the bus, not the order of arrival. */
  readonly fixed: boolean
}

export const DEFAULT_IDE_NAMES: IdeNames = { disk: 'ada', optical: 'cd', fixed: false }

const IDE_CLASS = 0x0101
const CHANNELS = [
  { base: 0x1f0, control: 0x3f6, irq: 14 },
  { base: 0x170, control: 0x376, irq: 15 },
]

interface ChannelIvars {
  readonly channel: number
  readonly controller: PciFunction
}

/** The controller: its two channels, one after the other, so that disks are numbered in their order. */
const atapci: Driver<PciFunction> = {
  name: 'atapci',
  module: 'kernel',
  bus: 'pci',
  probe: ({ ivars }) =>
    ivars.class >> 8 === IDE_CLASS
      ? { priority: ProbePriority.default, description: 'Intel PIIX4 IDE controller' }
      : undefined,
  async attach(device) {
    for (const channel of CHANNELS.keys()) {
      device.addChild({ location: `channel=${channel}`, pnpinfo: '', ivars: { channel, controller: device.ivars } })
      await device.settled()
    }
    return nothing()
  },
}

const ata: Driver<ChannelIvars> = {
  name: 'ata',
  module: 'kernel',
  bus: 'atapci',
  probe: () => ({ priority: ProbePriority.default, description: 'ATA channel' }),
  async attach(device) {
    const { channel, controller } = device.ivars
    const place = CHANNELS[channel]
    if (place === undefined) throw new RangeError(`no IDE channel ${channel}`)
    const port = new AtaPort(controller.io, device.kernel.clock, place)
    try {
      if (await port.reset()) {
        for (const target of [0, 1]) {
          const unit = await port.exclusive(() => identify(port, { channel, target, controller }))
          if (unit === undefined) continue
          device.addChild({ location: `target=${target}`, pnpinfo: `model="${unit.model}"`, ivars: unit })
          await device.settled()
        }
      }
    } catch (error) {
      port.close()
      throw error
    }
    return {
      async [Symbol.asyncDispose]() {
        port.close()
      },
    }
  },
}

function unitDriver(kind: AttachedAtaUnit['kind'], name: string, fixed: boolean): Driver<AttachedAtaUnit> {
  return {
    name,
    module: 'kernel',
    bus: 'ata',
    probe: ({ ivars }) =>
      ivars.kind === kind ? { priority: ProbePriority.default, description: ivars.model } : undefined,
    attach: (device) => (kind === 'disk' ? attachDisk(device, name, fixed) : attachOptical(device, name, fixed)),
  }
}

async function attachDisk(device: Device<AttachedAtaUnit>, prefix: string, fixed: boolean): Promise<Attachment> {
  const { item, remove } = add(device, prefix, fixed, (name) => new AtaDisk(name, device.ivars))
  const { blockCount, blockSize } = item.geometry
  announce(device, item, `${(blockCount * blockSize) / 2 ** 20}MB (${blockCount} ${blockSize} byte sectors)`)
  return {
    shutdown: () => item.flush(),
    async [Symbol.asyncDispose]() {
      remove()
      item.remove()
    },
  }
}

async function attachOptical(device: Device<AttachedAtaUnit>, prefix: string, fixed: boolean): Promise<Attachment> {
  const { item, remove } = add(device, prefix, fixed, (name) => new AtaOptical(name, device.ivars))
  try {
    await item.start()
  } catch (error) {
    remove()
    throw error
  }
  announce(device, item, `${item.geometry.blockCount} 2048 byte blocks`)
  return {
    async [Symbol.asyncDispose]() {
      remove()
      item.remove()
    },
  }
}

function add<T extends AtaDisk | AtaOptical>(
  { kernel, ivars: { channel, target } }: Device<AttachedAtaUnit>,
  prefix: string,
  fixed: boolean,
  make: (name: string) => T,
): { item: T; remove(): void } {
  return kernel.disks.add(prefix, make, fixed ? channel * 2 + target : 0)
}

function announce({ kernel, ivars, parent }: Device<AttachedAtaUnit>, item: AtaDisk | AtaOptical, size: string): void {
  kernel.log.log('info', `${item.name} at ${parent?.nameunit} bus 0 target ${ivars.target} lun 0`)
  kernel.log.log('info', `${item.name}: <${item.description}>`)
  kernel.log.log('info', `${item.name}: ${size}`)
}

function nothing(): Attachment {
  return { async [Symbol.asyncDispose]() {} }
}

/** The drivers of the IDE controller and what is on it, under the names that a kernel gives them. */
export function ataDrivers({ disk, optical, fixed }: IdeNames = DEFAULT_IDE_NAMES): readonly Driver[] {
  const drivers = [atapci, ata, unitDriver('disk', disk, fixed), unitDriver('optical', optical, fixed)]
  return drivers as unknown as readonly Driver[]
}
