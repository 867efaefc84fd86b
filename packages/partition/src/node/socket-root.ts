import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { Clock } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import type { MappedMemory } from '@bis/hyperv-types/mapped-memory'
import type { Frame, LinkEnd } from '@bis/hyperv-types/vmbus-user'
import {
  encodeHello,
  encodeMemory,
  FrameType,
  helloAckFrame,
  memoryAckFrame,
  RemoteRoot,
  ResultCode,
  StreamLink,
  TransportError,
  VMBUS_USER_MAGIC,
} from '@bis/hyperv-types/vmbus-user'
import { acceptedConnections } from '../accepted-connections.ts'
import type { Partition } from '../partition.ts'

export interface SocketRootOptions {
  /** The Unix-domain socket where the root listens. */
  readonly path: string
  /** The memory that the partition was made with. */
  readonly memory: MappedMemory
  readonly clock?: Clock
  /** Gives up while connecting. */
  readonly signal?: AbortSignal
  /** How long each answer of the root may take while connecting, in milliseconds; default 10,000. */
  readonly timeout?: number
}

/** A root in another process. */
export interface SocketRoot extends AsyncDisposable {
  /** Resolves when the root has gone, or was told to, with the reason. Never rejects. */
  readonly ended: Promise<LinkEnd>
  close(reason: string): void
}

const DEFAULT_TIMEOUT = 10_000
/** How long to wait for the words behind a refusal, in milliseconds. */
const EXPLANATION_MS = 500

/**
 * Gives a partition the root that listens at a socket (vmbus-user). The name of the memory's file is gone when this
 * returns, connected or not.
 * @throws TransportError `refused`, `closed`, `timeout`, `protocol`, `invalid-option`
 * @throws PartitionError `already-connected`
 */
export async function connectSocketRoot(partition: Partition, options: SocketRootOptions): Promise<SocketRoot> {
  const { memory, path, clock = systemClock, timeout = DEFAULT_TIMEOUT } = options
  try {
    if (memory.memory !== partition.memory) {
      throw new TransportError('invalid-option', 'the partition was made with other memory than it is to share')
    }
    const socket = await dial(path, options.signal)
    const link = new StreamLink(socket, clock)
    const onAbort = (): void => link.close({ reason: 'given up' })
    options.signal?.addEventListener('abort', onAbort)
    try {
      link.send(encodeHello(partition.vpIndexLimit))
      await answer(link, clock, timeout, FrameType.HELLO_ACK, readHelloAck)
      link.send(encodeMemory(memory.regions))
      await answer(link, clock, timeout, FrameType.MEMORY_ACK, readMemoryAck)
      options.signal?.throwIfAborted()
      return attach(partition, link, socket, clock)
    } catch (error) {
      link.close({ reason: 'the connection was not made' })
      options.signal?.throwIfAborted()
      throw error
    } finally {
      options.signal?.removeEventListener('abort', onAbort)
    }
  } finally {
    memory.unlink()
  }
}

function attach(partition: Partition, link: StreamLink, socket: Socket, clock: Clock): SocketRoot {
  const ended = new Promise<LinkEnd>((resolve) => {
    new RemoteRoot({
      link,
      ports: partition.ports,
      clock,
      acceptsConnection: acceptedConnections(partition.profile.release),
      onEnd: resolve,
    })
  })
  const close = (reason: string): void => link.close({ reason })
  return {
    ended,
    close,
    async [Symbol.asyncDispose]() {
      close('closed')
      await ended
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    },
  }
}

function dial(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const socket = connect({ path })
    const onAbort = (): void => {
      socket.destroy()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort)
    const settle = (): void => signal?.removeEventListener('abort', onAbort)
    socket.once('connect', () => {
      settle()
      socket.off('error', onError)
      resolve(socket)
    })
    const onError = (cause: NodeJS.ErrnoException): void => {
      settle()
      reject(new TransportError('refused', `${path}: ${explain(cause)}`, { cause }))
    }
    socket.once('error', onError)
  })
}

function explain({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no socket; start the root first'
    case 'ECONNREFUSED':
      return 'nothing listens at the socket any more; start the root again'
    case 'EACCES':
      return 'the socket belongs to another user'
    default:
      return message
  }
}

/** Waits for the one frame that comes next. `read` gives its result, or undefined when it is malformed. */
function answer(
  link: StreamLink,
  clock: Clock,
  timeout: number,
  type: number,
  read: (frame: Frame) => number | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let refusal: TransportError | undefined
    const fail = (error: TransportError): void => {
      timer.cancel()
      reject(error)
    }
    let timer = clock.after(timeout, () => {
      fail(new TransportError('timeout', `the root did not answer within ${timeout} ms`))
    })
    link.start({
      onWritable() {},
      onFrame(frame) {
        const result = frame.type === type ? read(frame) : undefined
        if (result === undefined) {
          fail(new TransportError('protocol', `the root answered with a frame of type 0x${frame.type.toString(16)}`))
        } else if (result === ResultCode.OK) {
          timer.cancel()
          resolve()
        } else {
          const error = new TransportError('refused', `the root refused the partition: ${nameOf(result)}`)
          refusal = error
          timer.cancel()
          timer = clock.after(EXPLANATION_MS, () => fail(error))
        }
        return true
      },
      onEnd({ reason, code }) {
        if (refusal !== undefined && code === undefined) fail(refusal)
        else fail(new TransportError(code === undefined ? 'closed' : 'refused', reason))
      },
    })
  })
}

function readHelloAck({ view, base, length }: Frame): number | undefined {
  if (length !== helloAckFrame.size || helloAckFrame.magic.get(view, base) !== VMBUS_USER_MAGIC) return undefined
  return helloAckFrame.result.get(view, base)
}

function readMemoryAck({ view, base, length }: Frame): number | undefined {
  return length === memoryAckFrame.size ? memoryAckFrame.result.get(view, base) : undefined
}

function nameOf(result: number): string {
  const entry = Object.entries(ResultCode).find(([, code]) => code === result)
  return entry === undefined ? `code ${result}` : `${entry[0].toLowerCase().replaceAll('_', ' ')} (${result})`
}
