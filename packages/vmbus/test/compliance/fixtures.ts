import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostReleaseName } from '@bis/host'
import { Host } from '@bis/host'
import { listenVmbusUser } from '@bis/host/node'
import type { SynicPorts } from '@bis/hyperv-types'
import { GuestMemory, PageAllocator, systemClock } from '@bis/hyperv-types'
import { createMappedMemory } from '@bis/hyperv-types/mapped-memory'
import { createKernel, DeviceTree } from '@bis/newbus'
import { Partition } from '@bis/partition'
import { connectSocketRoot } from '@bis/partition/node'
import { attachPorts, offerPorts } from '@bis/partition/worker'
import type { ChannelFixture, ChannelPeer } from '../../src/compliance/index.ts'
import { DevicePeer } from '../../src/compliance/index.ts'
import { vmbusDriver } from '../../src/index.ts'
import { ThreadPeer } from './thread-peer.ts'

export type MemoryKind = 'plain' | 'shared' | 'wasm'

const MEMORY_BYTES = 8 * 2 ** 20

/** What lies between the guest and its root. */
interface Transport {
  readonly partition: Partition
  readonly peer: ChannelPeer
  /** The root is at the other end of a socket or in another thread. */
  readonly remote?: true
  /** The guest is off already. */
  end(): Promise<void>
}

function partitionOf(kind: MemoryKind, release: HostReleaseName): Partition {
  return new Partition({ memory: GuestMemory.allocate(MEMORY_BYTES, { kind }), release, processorCount: 2 })
}

function hostOn(ports: SynicPorts, release: HostReleaseName): DevicePeer {
  const peer = new DevicePeer()
  new Host({ release, clock: systemClock }).addGuest(ports).offer(peer)
  return peer
}

export function inline(kind: MemoryKind, release: HostReleaseName): Promise<ChannelFixture> {
  const partition = partitionOf(kind, release)
  return bootOn({ partition, peer: hostOn(partition.ports, release), end: async () => {} })
}

/** Both ends of the rings in this thread, where the cases reach them. */
export function sharedMemory(kind: MemoryKind, release: HostReleaseName): Promise<ChannelFixture> {
  const partition = partitionOf(kind, release)
  const link = offerPorts(partition)
  const attached = attachPorts(structuredClone(link.data))
  return bootOn({
    partition,
    peer: hostOn(attached.ports, release),
    async end() {
      attached.close('end of the test')
      await link.ended
    },
  })
}

export function workerThread(script: string, kind: MemoryKind, release: HostReleaseName): Promise<ChannelFixture> {
  const partition = partitionOf(kind, release)
  const link = offerPorts(partition)
  const peer = new ThreadPeer(script, link.data, release)
  return bootOn({
    partition,
    peer,
    remote: true,
    async end() {
      link.close('end of the test')
      await peer.worker.terminate()
    },
  })
}

/** Guest memory is a file that both sides map; they meet in this process. */
export async function socket(release: HostReleaseName): Promise<ChannelFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'channel-'))
  const path = join(directory, 'root.sock')
  let arrived: (ports: SynicPorts) => void = () => {}
  const ports = new Promise<SynicPorts>((resolve) => {
    arrived = resolve
  })
  const server = await listenVmbusUser({ path, onPartition: (guest) => arrived(guest.ports) })
  const memory = await createMappedMemory(MEMORY_BYTES, { directory })
  const partition = new Partition({ memory: memory.memory, release, processorCount: 2 })
  const root = await connectSocketRoot(partition, { path, memory })
  return bootOn({
    partition,
    peer: hostOn(await ports, release),
    remote: true,
    async end() {
      await root[Symbol.asyncDispose]()
      await server.close()
      memory.release()
      rmSync(directory, { recursive: true })
    },
  })
}

async function bootOn({ partition, peer, remote, end }: Transport): Promise<ChannelFixture> {
  const clock = systemClock
  const pages = new PageAllocator(partition.memory, 4096)
  const kernel = createKernel({ clock, random: (bytes) => bytes.fill(1), pages })
  const tree = new DeviceTree(kernel)
  const driver = vmbusDriver({ hypervisor: partition })
  await tree.load({ name: 'hv_vmbus', drivers: [driver] })
  const device = tree.root.addChild({ location: 'vmbus', pnpinfo: '', ivars: undefined })
  await until('the bus', () => device.state === 'attached' || device.state === 'failed')
  const [channel] = driver.attached?.channels ?? []
  if (channel === undefined) throw new Error(kernel.dmesg.lines.map(({ text }) => text).join('\n'))
  return {
    channel,
    peer,
    until,
    async settle() {
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (remote === true) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    async [Symbol.asyncDispose]() {
      await tree.shutdown()
      await end()
      partition.powerOff()
    },
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
