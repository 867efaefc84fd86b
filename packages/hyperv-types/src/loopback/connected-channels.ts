import type { ChannelOffer } from '../interfaces/channel.ts'
import type { Clock } from '../interfaces/clock.ts'
import type { VspDevice } from '../interfaces/host-channel.ts'
import { GuestMemory } from '../memory/guest-memory.ts'
import { PageAllocator } from '../memory/page-allocator.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { LoopbackConnection } from './connection.ts'
import { LoopbackGpadls, LoopbackPort } from './connection.ts'
import { LoopbackChannel } from './guest-end.ts'

const DEFAULT_MEMORY = 32 * 1024 * 1024
/** VMBus 5.3: what a current host speaks. */
const DEFAULT_VERSION = 0x0005_0003
/** VMBus 2.4 (Windows 8), the first with sub-channels. */
const FIRST_VERSION_WITH_SUBCHANNELS = 0x0002_0004

export interface ConnectedChannelsOptions {
  readonly clock?: Clock
  /** Default: 32 MiB of plain memory. */
  readonly memory?: GuestMemory
  /** The allocator of `memory`, when something else uses it too. */
  readonly pages?: PageAllocator
  readonly processorCount?: number
  /** VMBus version, major << 16 | minor. */
  readonly protocolVersion?: number
  /** The partition's reference time in 100 ns. Default: there is none. */
  readonly referenceTime?: () => bigint
}

export interface ConnectedChannels {
  /** The guest's primary channel of the device, offered and not open. */
  readonly channel: LoopbackChannel
  readonly memory: GuestMemory
  readonly pages: PageAllocator
  /** Takes the device away, as a host does. */
  rescind(): Promise<void>
}

/**
 * A device of the host and the guest's channel to it, in one process and with no bus between: rings in memory that both
 * ends work on, as on a real machine. For trying a driver and a device on each other. Sub-channels, GPADLs, closing,
 * opening again and rescinding work; what belongs to the bus (offers, versions, interrupts) is not there.
 */
export function connectedChannels(device: VspDevice, options: ConnectedChannelsOptions = {}): ConnectedChannels {
  const memory = options.memory ?? GuestMemory.allocate(DEFAULT_MEMORY, { kind: 'plain' })
  const connection: LoopbackConnection = {
    device,
    clock: options.clock ?? systemClock,
    memory,
    pages: options.pages ?? new PageAllocator(memory),
    processorCount: options.processorCount ?? 1,
    protocolVersion: options.protocolVersion ?? DEFAULT_VERSION,
    gpadls: new LoopbackGpadls(),
    referenceTime: options.referenceTime,
  }
  const channel = new LoopbackChannel(connection, offerOf(device, 0))
  let offered = 0
  const offerSubchannels = (count: number): boolean => {
    if (connection.protocolVersion < FIRST_VERSION_WITH_SUBCHANNELS) return false
    while (offered < count) {
      const subchannel = new LoopbackChannel(connection, offerOf(device, ++offered))
      connection.clock.soon(() => channel.addSubchannel(subchannel))
    }
    return true
  }
  const rescind = async (): Promise<void> => {
    await channel.rescind()
    offered = 0
    device.reset?.()
  }
  device.onOffered?.(new LoopbackPort(connection, offerSubchannels, rescind))
  return { channel, memory, pages: connection.pages, rescind }
}

function offerOf({ offer }: VspDevice, subIndex: number): ChannelOffer {
  const userDefined = new Uint8Array(120)
  userDefined.set(offer.userDefined ?? [])
  return {
    interfaceId: offer.interfaceId,
    instanceId: offer.instanceId,
    subIndex,
    channelId: 1 + subIndex,
    connectionId: 0x10000 + subIndex,
    dedicatedInterrupt: true,
    flags: offer.flags ?? 0,
    mmioMegabytes: offer.mmioMegabytes ?? 0,
    userDefined,
  }
}
