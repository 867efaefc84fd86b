import type { Socket } from 'node:net'
import type { Clock, GuestMemory, Logger, SynicPorts, Timer } from '@bis/hyperv-types'
import { MemoryError, WireError } from '@bis/hyperv-types'
import type { RegionMapper } from '@bis/hyperv-types/mapped-memory'
import type { Frame, LinkEnd } from '@bis/hyperv-types/vmbus-user'
import {
  decodeMemory,
  encodeHelloAck,
  encodeMemoryAck,
  FrameType,
  helloFrame,
  RemotePorts,
  ResultCode,
  StreamLink,
  TransportError,
  VMBUS_USER_MAGIC,
  VMBUS_USER_VERSION,
} from '@bis/hyperv-types/vmbus-user'

/** VP indices go through 16-bit fields. */
const MAX_PROCESSORS = 65_536

/** A partition of another process. */
export interface ConnectedPartition {
  readonly ports: SynicPorts
  /** Resolves when it has gone, with the reason. Never rejects. */
  readonly ended: Promise<LinkEnd>
  /** Ends the connection; its memory is let go of. */
  close(reason: string): Promise<void>
}

export interface ConnectionParts {
  readonly clock: Clock
  readonly log: Logger
  readonly mapper: RegionMapper
  readonly handshakeTimeout: number
  readonly onConnected: (partition: ConnectedPartition) => void
  readonly onClosed: () => void
}

/** Where a connection is: it takes HELLO, then MEMORY, then SynIC traffic, until it is closed. */
type State = 'hello' | 'memory' | 'connected' | 'closed'

/** One connection, from its first byte to its last. */
export class PartitionConnection {
  readonly #parts: ConnectionParts
  readonly #link: StreamLink
  readonly #closed: Promise<void>
  readonly #timer: Timer
  #state: State = 'hello'
  #processorCount = 0
  #memory: { readonly memory: GuestMemory; release(): void } | undefined
  #partition: ConnectedPartition | undefined

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#parts = parts
    this.#link = new StreamLink(socket, parts.clock)
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#release()
        parts.onClosed()
        resolve()
      })
    })
    this.#timer = parts.clock.after(parts.handshakeTimeout, () => {
      this.#refuse(ResultCode.BAD_FRAME, `no partition within ${parts.handshakeTimeout} ms`)
    })
    this.#link.start({
      onFrame: (frame) => this.#take(frame),
      onWritable() {},
      onEnd: ({ reason }) => {
        this.#leave()
        parts.log.log('warning', `vmbus-user: connection ended before it was a partition: ${reason}`, 'vmbus-user')
      },
    })
  }

  get partition(): ConnectedPartition | undefined {
    return this.#state === 'connected' ? this.#partition : undefined
  }

  async close(reason: string): Promise<void> {
    this.#link.close({ reason })
    await this.#closed
  }

  #take(frame: Frame): boolean {
    if (this.#state === 'hello' && frame.type === FrameType.HELLO) this.#hello(frame)
    else if (this.#state === 'memory' && frame.type === FrameType.MEMORY) this.#map(frame)
    else
      throw new WireError(
        'unknown-type',
        `frame of type 0x${frame.type.toString(16)} before the partition is connected`,
      )
    return true
  }

  #hello({ view, base, length }: Frame): void {
    if (length !== helloFrame.size) throw new WireError('bad-length', `HELLO of ${length} bytes`)
    if (helloFrame.magic.get(view, base) !== VMBUS_USER_MAGIC)
      throw new WireError('bad-value', 'HELLO has a wrong magic')
    const version = helloFrame.version.get(view, base)
    const processors = helloFrame.processor_count.get(view, base)
    if (version !== VMBUS_USER_VERSION) {
      this.#link.send(encodeHelloAck(ResultCode.VERSION_NOT_SUPPORTED))
      this.#refuse(ResultCode.VERSION_NOT_SUPPORTED, `vmbus-user version ${version}; this is ${VMBUS_USER_VERSION}`)
    } else if (processors === 0 || processors > MAX_PROCESSORS) {
      this.#link.send(encodeHelloAck(ResultCode.BAD_FRAME))
      this.#refuse(ResultCode.BAD_FRAME, `${processors} virtual processors; 1 to ${MAX_PROCESSORS}`)
    } else {
      this.#processorCount = processors
      this.#state = 'memory'
      this.#link.send(encodeHelloAck(ResultCode.OK))
    }
  }

  #map(frame: Frame): void {
    const regions = decodeMemory(frame)
    try {
      this.#memory = this.#parts.mapper.map(regions)
    } catch (error) {
      if (!(error instanceof MemoryError || error instanceof TransportError)) throw error
      const code = error instanceof MemoryError ? ResultCode.BAD_ADDRESS : ResultCode.MEMORY_NOT_MAPPED
      this.#link.send(encodeMemoryAck(code))
      this.#refuse(code, error.message)
      return
    }
    this.#link.send(encodeMemoryAck(ResultCode.OK))
    this.#connected(this.#memory.memory)
  }

  #connected(memory: GuestMemory): void {
    this.#state = 'connected'
    this.#timer.cancel()
    let resolveEnd: (end: LinkEnd) => void = () => {}
    const ended = new Promise<LinkEnd>((resolve) => {
      resolveEnd = resolve
    })
    const ports = new RemotePorts({
      link: this.#link,
      memory,
      processorCount: this.#processorCount,
      clock: this.#parts.clock,
      onEnd: (end) => {
        this.#leave()
        resolveEnd(end)
      },
    })
    const partition = { ports, ended, close: (reason: string) => this.close(reason) }
    this.#partition = partition
    this.#parts.onConnected(partition)
  }

  #refuse(code: ResultCode, reason: string): void {
    this.#link.close({ code, reason })
  }

  #leave(): void {
    this.#state = 'closed'
    this.#timer.cancel()
  }

  #release(): void {
    this.#leave()
    this.#memory?.release()
    this.#memory = undefined
  }
}
