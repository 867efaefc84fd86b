import type { Clock, MemoryKind, SynicPorts, WasmMemory } from '@bis/hyperv-types'
import { GuestMemory, systemClock } from '@bis/hyperv-types'
import { canWait } from '@bis/hyperv-types/threads'
import type { LinkEnd } from '@bis/hyperv-types/vmbus-user'
import { RemotePorts, RemoteRoot, TransportError } from '@bis/hyperv-types/vmbus-user'
import { acceptedConnections } from '../accepted-connections.ts'
import type { Partition } from '../partition.ts'
import type { ThreadReach } from '../processor-threads.ts'
import { FrameRing } from './frame-ring.ts'
import { SharedLink } from './shared-link.ts'
import { ThreadPorts } from './thread-ports.ts'

/** Bytes of the ring in each direction: some 4,000 signals, or 900 of the longest messages. */
const RING_BYTES = 256 * 1024

/** What another thread needs to play the root of a partition; passes through postMessage and workerData. */
export interface PortsLinkData {
  readonly toRoot: SharedArrayBuffer
  readonly toPartition: SharedArrayBuffer
  readonly threads: ThreadReach
  readonly processorCount: number
  readonly regions: readonly {
    readonly gpa: number
    readonly byteOffset: number
    readonly byteLength: number
    readonly kind: MemoryKind
    /** The bytes: a WebAssembly.Memory for kind `wasm`, otherwise a SharedArrayBuffer. */
    readonly store: WasmMemory | SharedArrayBuffer
  }[]
}

export interface PortsLink {
  /** For {@link attachPorts} in the other thread. */
  readonly data: PortsLinkData
  /** Resolves when the root has gone, or was told to, with the reason. */
  readonly ended: Promise<LinkEnd>
  /** Lets go of the root: what to call when its thread has ended. */
  close(reason: string): void
}

/**
 * Offers the ports of a partition to another thread.
 * @throws TransportError `mapping` when the partition's memory cannot be shared between threads, or the platform has no way to
 * @throws PartitionError `already-connected`
 */
export function offerPorts(partition: Partition, clock: Clock = systemClock): PortsLink {
  if (!canWait) throw new TransportError('mapping', 'this platform has no Atomics.waitAsync, which threads wait with')
  const regions = partition.memory.regions.map(({ gpa, byteLength, bytes, kind, wasm }) => {
    const store = wasm ?? (bytes.buffer instanceof SharedArrayBuffer ? bytes.buffer : undefined)
    if (store === undefined) {
      throw new TransportError('mapping', `memory of kind ${kind} cannot be shared with a thread; use wasm or shared`)
    }
    return { gpa, byteOffset: bytes.byteOffset, byteLength, kind, store }
  })
  const toRoot = FrameRing.allocate(RING_BYTES)
  const toPartition = FrameRing.allocate(RING_BYTES)
  const link = new SharedLink(new FrameRing(toPartition), new FrameRing(toRoot), clock, false)
  const { end, ...threads } = partition.lendToThread()
  const ended = new Promise<LinkEnd>((resolve) => {
    new RemoteRoot({
      link,
      ports: partition.ports,
      clock,
      acceptsConnection: acceptedConnections(partition.profile.release),
      onEnd: (reason) => {
        end()
        resolve(reason)
      },
    })
  })
  return {
    data: { toRoot, toPartition, threads, processorCount: partition.vpIndexLimit, regions },
    ended,
    close: (reason) => link.close({ reason }),
  }
}

export interface AttachedPorts {
  readonly ports: SynicPorts
  /** Resolves when the partition has gone, with the reason. */
  readonly ended: Promise<LinkEnd>
  close(reason: string): void
}

/** In the root's thread: the ports that {@link offerPorts} offers. They keep the thread alive until they end. */
export function attachPorts(data: PortsLinkData, clock: Clock = systemClock): AttachedPorts {
  const memory = new GuestMemory(
    data.regions.map(({ gpa, byteOffset, byteLength, kind, store }) => {
      const buffer = 'buffer' in store ? store.buffer : store
      const bytes = new Uint8Array(buffer, byteOffset, byteLength)
      return { gpa, backing: { kind, bytes, ...('buffer' in store ? { wasm: store } : {}) } }
    }),
  )
  const link = new SharedLink(new FrameRing(data.toRoot), new FrameRing(data.toPartition), clock, true)
  let resolveEnd: (end: LinkEnd) => void = () => {}
  const ended = new Promise<LinkEnd>((resolve) => {
    resolveEnd = resolve
  })
  const { processorCount } = data
  const remote = new RemotePorts({
    link,
    memory,
    processorCount,
    clock,
    onEnd: (end) => {
      ports.end()
      resolveEnd(end)
    },
  })
  const ports = new ThreadPorts(remote, data.threads, clock)
  return { ports, ended, close: (reason) => link.close({ reason }) }
}
