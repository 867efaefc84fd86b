import { describe, expect, it } from 'vitest'
import { createMachine, testDriver } from '../machine.ts'

describe('a guest boots', () => {
  it('negotiates, takes the offers, and leaves nothing behind', async () => {
    const machine = await createMachine({
      drivers: [
        testDriver({ attach: (channel) => channel.open({ txRingBytes: 8192, rxRingBytes: 8192, onPacket() {} }) }),
      ],
    })
    machine.root.offers.push({ channelId: 1 }, { channelId: 2 })
    const device = await machine.boot()
    expect(machine.dmesg()).toEqual([
      'vmbus0: <Hyper-V Vmbus> on nexus',
      'vmbus0: Hyper-V Version: 10.0.26100 [SP7]',
      'vmbus0: version 5.3',
      'test0: <Test device> on vmbus0',
      'test1: <Test device> on vmbus0',
    ])
    expect(device.state).toBe('attached')
    expect(machine.channel(1).state).toBe('open')
    const down = machine.tree.shutdown()
    await machine.clock.run()
    await down
    expect(machine.pages.allocatedPages).toBe(0)
    expect(machine.pages.heldPages).toBe(0)
    expect(machine.partition.overlayPages).toBe(0)
    expect(machine.root.names()).toEqual([
      'INITIATE_CONTACT',
      'INITIATE_CONTACT',
      'REQUEST_OFFERS',
      'GPADL_HEADER',
      'GPADL_HEADER',
      'OPEN_CHANNEL',
      'OPEN_CHANNEL',
      'CLOSE_CHANNEL',
      'GPADL_TEARDOWN',
      'CLOSE_CHANNEL',
      'GPADL_TEARDOWN',
      'UNLOAD',
    ])
  })
})
