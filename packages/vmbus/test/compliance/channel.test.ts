import type { HostReleaseName } from '@bis/host'
import { HOST_RELEASES, Host } from '@bis/host'
import { GuestMemory, PageAllocator, systemClock } from '@bis/hyperv-types'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import { attachPorts, offerPorts } from '@bis/partition/worker'
import { describe, it } from 'vitest'
import type { ChannelFixture } from '../../src/compliance/index.ts'
import { channelCases, DevicePeer } from '../../src/compliance/index.ts'
import { vmbusDriver } from '../../src/index.ts'

type Transport = 'inline' | 'shared memory'

/** The bus on the software host, by a transport. */
async function open(
  transport: Transport,
  kind: 'plain' | 'shared' | 'wasm',
  release: HostReleaseName,
): Promise<ChannelFixture> {
  const clock = systemClock
  const memory = GuestMemory.allocate(8 * 2 ** 20, { kind })
  const partition = new Partition({ memory, clock, release, processorCount: 2 })
  const link = transport === 'inline' ? undefined : offerPorts(partition, clock)
  const attached = link === undefined ? undefined : attachPorts(structuredClone(link.data), clock)
  const host = new Host({ release, clock })
  const server = host.addGuest(attached?.ports ?? partition.ports)
  const peer = new DevicePeer()
  server.offer(peer)
  const pages = new PageAllocator(memory, 4096)
  const kernel = createKernel({ clock, random: (bytes) => bytes.fill(1), pages })
  const tree = new DeviceTree(kernel)
  const driver = vmbusDriver({ hypervisor: partition })
  await tree.load({ name: 'hv_vmbus', drivers: [driver] })
  const device = tree.root.addChild({ location: 'vmbus', pnpinfo: '', ivars: undefined })
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    const end = Date.now() + 5000
    while (!condition()) {
      if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await until('the bus', () => device.state === 'attached' || device.state === 'failed')
  const [channel] = driver.attached?.channels ?? []
  if (channel === undefined) throw new Error(kernel.dmesg.lines.map(({ text }) => text).join('\n'))
  return {
    channel,
    peer,
    until,
    async settle() {
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
    async [Symbol.asyncDispose]() {
      await tree.shutdown()
      attached?.close('end of the test')
      await link?.ended
      partition.powerOff()
    },
  }
}

function suite(title: string, make: () => Promise<ChannelFixture>): void {
  describe(title, () => {
    for (const { name, needs, run } of channelCases) {
      it(name, async (context) => {
        await using fixture = await make()
        const { peer } = fixture
        if (needs !== undefined && peer[needs] === undefined) context.skip()
        await run(fixture)
      })
    }
  })
}

for (const kind of ['plain', 'shared', 'wasm'] as const) {
  suite(`a channel, root inline, memory of kind ${kind}`, () => open('inline', kind, '2025'))
}
for (const release of HOST_RELEASES.filter((name) => name !== '2025')) {
  suite(`a channel on ${release}`, () => open('inline', 'shared', release))
}
for (const kind of ['shared', 'wasm'] as const) {
  suite(`a channel, root behind shared memory of kind ${kind}`, () => open('shared memory', kind, '2025'))
}
