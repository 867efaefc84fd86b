import type { Channel, Driver } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import { expect, it } from 'vitest'
import { addChannelBus } from './channel-bus.ts'
import { DeviceTree } from './device-tree.ts'
import { createKernel } from './kernel.ts'

it('has a device for each channel, for the drivers of VMBus', async () => {
  const pages = new PageAllocator(GuestMemory.allocate(16 * 4096, { kind: 'plain' }), 4096)
  const kernel = createKernel({ clock: new ManualClock(), random: (bytes) => bytes.fill(7), pages })
  const tree = new DeviceTree(kernel)
  const channels = ['a', 'b'].map((instanceId) => ({ offer: { instanceId } }) as Channel)
  const got: unknown[] = []
  const driver: Driver = {
    name: 'demo',
    module: 'hv_demo',
    bus: 'vmbus',
    probe: () => ({ priority: 0, description: 'Demo' }),
    async attach(device) {
      got.push(device.ivars)
      return { async [Symbol.asyncDispose]() {} }
    },
  }
  await addChannelBus(tree, channels)
  await tree.load({ name: 'hv_demo', drivers: [driver] })
  expect(got).toEqual(channels)
  expect(tree.devices().map(({ nameunit, location }) => `${nameunit} ${location}`)).toEqual([
    'vmbus0 channels',
    'demo0 a',
    'demo1 b',
  ])
  await expect(addChannelBus(tree, [])).rejects.toMatchObject({ code: 'loaded' })
})
