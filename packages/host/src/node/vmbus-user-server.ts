import { chmodSync, lstatSync, rmSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Clock, Logger } from '@bis/hyperv-types'
import { silentLogger, systemClock } from '@bis/hyperv-types'
import type { RegionMapper } from '@bis/hyperv-types/mapped-memory'
import { createRegionMapper } from '@bis/hyperv-types/mapped-memory'
import { TransportError } from '@bis/hyperv-types/vmbus-user'
import type { ConnectedPartition } from './partition-connection.ts'
import { PartitionConnection } from './partition-connection.ts'

export interface VmbusUserServerOptions {
  /** Where to listen: a Unix-domain socket that only this user can reach. */
  readonly path: string
  /** A partition has connected: give it its root, `ports.connect`. What it sends waits until then. */
  readonly onPartition: (partition: ConnectedPartition) => void
  readonly clock?: Clock
  readonly log?: Logger
  /** Partitions at a time; further ones are refused. Default 64. */
  readonly maxPartitions?: number
  /** Most memory of one partition, in bytes; default 64 GiB. */
  readonly maxMemoryBytes?: number
  /** How long a connection may take to become a partition, in milliseconds; default 10,000. */
  readonly handshakeTimeout?: number
}

export interface VmbusUserServer extends AsyncDisposable {
  readonly path: string
  /** Partitions that are connected now. */
  readonly partitions: readonly ConnectedPartition[]
  /** Listens no more, ends every connection, removes the socket. */
  close(): Promise<void>
}

const DEFAULT_MAX_PARTITIONS = 64
const DEFAULT_HANDSHAKE_TIMEOUT = 10_000
const SOCKET_MODE = 0o600

/**
 * Listens for partitions of other processes (vmbus-user). One connection is one partition; whatever one of them does,
 * the others go on.
 * @throws TransportError `refused` when another root listens at the path or it cannot be used, `missing-package` when
 *   memory cannot be mapped here
 */
export async function listenVmbusUser(options: VmbusUserServerOptions): Promise<VmbusUserServer> {
  const { path, clock = systemClock, log = silentLogger } = options
  const mapper = await createRegionMapper(options.maxMemoryBytes)
  const connections = new Set<PartitionConnection>()
  const accept = (socket: Socket): void => {
    const full = connections.size >= (options.maxPartitions ?? DEFAULT_MAX_PARTITIONS)
    const connection = new PartitionConnection(socket, {
      clock,
      log,
      mapper: full ? fullMapper : mapper,
      handshakeTimeout: options.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT,
      onConnected: options.onPartition,
      onClosed: () => connections.delete(connection),
    })
    connections.add(connection)
  }
  const server = createServer(accept)
  await listen(server, path)
  server.on('error', (error) => log.log('error', `vmbus-user socket ${path}: ${error.message}`))
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    await Promise.all([...connections].map((connection) => connection.close('the root is shutting down')))
    await closed
  }
  return {
    path,
    get partitions() {
      return [...connections].flatMap(({ partition }) => partition ?? [])
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

const fullMapper: RegionMapper = {
  map() {
    throw new TransportError('mapping', 'this root has as many partitions as it takes')
  },
}

/** Binds the socket; one that a root left behind without removing it is replaced. */
async function listen(server: Server, path: string): Promise<void> {
  try {
    await bind(server, path)
  } catch (cause) {
    if (!isInUse(cause)) throw refusal(path, cause)
    if (!lstatSync(path).isSocket()) throw new TransportError('refused', `${path} is there and is no socket`, { cause })
    if (await answers(path)) throw new TransportError('refused', `${path}: another root listens there`, { cause })
    try {
      rmSync(path)
      await bind(server, path)
    } catch (error) {
      throw refusal(path, error)
    }
  }
  chmodSync(path, SOCKET_MODE)
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Whether someone accepts connections at the path. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

function refusal(path: string, cause: unknown): TransportError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new TransportError('refused', `cannot listen at ${path}: ${text}`, { cause })
}
