import type { Channel, Driver } from '@bis/hyperv-types'
import type { DeviceTree } from './device-tree.ts'

/**
 * Adds a bus with a device for each channel, as VMBus would: for drivers on channels that need no hypervisor below them,
 * those of `connectedChannels` say. Their attaches begin; `tree.settled()` tells when they have ended.
 * @throws ModuleError `loaded` when there is a bus already
 */
export async function addChannelBus(tree: DeviceTree, channels: readonly Channel[]): Promise<void> {
  await tree.load({ name: 'vmbus', drivers: [channelBus(channels)] })
  tree.root.addChild({ location: 'channels', pnpinfo: '', ivars: undefined })
}

function channelBus(channels: readonly Channel[]): Driver {
  return {
    name: 'vmbus',
    module: 'vmbus',
    bus: 'nexus',
    probe: () => ({ priority: 0, description: 'Channels' }),
    async attach(device) {
      for (const channel of channels)
        device.addChild({ location: channel.offer.instanceId, pnpinfo: '', ivars: channel })
      return { async [Symbol.asyncDispose]() {} }
    },
  }
}
