import { WireError } from '../errors.ts'
import { HV_MESSAGE_PAYLOAD_BYTES, HvStatus } from '../hypervisor/index.ts'
import type { Clock, Timer } from '../interfaces/clock.ts'
import type { SynicPorts, SynicRoot } from '../interfaces/synic-ports.ts'
import type { FrameLink, LinkEnd } from './frame-link.ts'
import type { Frame } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { eventFrame, FrameType, messageFrame } from './frames.ts'
import { PendingEvents } from './pending-events.ts'

const PENDING_LIMIT = 65_536
/** How long a guest whose queue is full is left alone, in milliseconds. */
const RETRY_MS = 5

export interface RemoteRootOptions {
  readonly link: FrameLink
  /** The partition's ports, on this side. */
  readonly ports: SynicPorts
  readonly clock: Clock
  /**
   * The port table: whether the root has a port for messages to this connection. The root cannot answer a post, so the
   * guest gets its status from here. Hosts before VMBus 5.0 have connection 1 only.
   */
  readonly acceptsConnection: (connectionId: number) => boolean
  /** The link has ended; the ports have no root any more. */
  readonly onEnd?: (end: LinkEnd) => void
}

/** The root of a partition at the other end of a link: connects itself to the ports and carries traffic both ways. */
export class RemoteRoot implements SynicRoot {
  readonly #link: FrameLink
  readonly #ports: SynicPorts
  readonly #clock: Clock
  readonly #acceptsConnection: (connectionId: number) => boolean
  readonly #disconnect: () => void
  readonly #writer = new FrameWriter()
  readonly #pending = new PendingEvents(PENDING_LIMIT)
  #resetPending = false
  #retry: Timer | undefined

  constructor({ link, ports, clock, acceptsConnection, onEnd }: RemoteRootOptions) {
    this.#link = link
    this.#ports = ports
    this.#clock = clock
    this.#acceptsConnection = acceptsConnection
    this.#disconnect = ports.connect(this)
    link.start({
      onFrame: (frame) => this.#take(frame),
      onWritable: () => this.#flush(),
      onEnd: (end) => {
        this.#retry?.cancel()
        this.#pending.clear()
        this.#disconnect()
        onEnd?.(end)
      },
    })
  }

  messagePosted(connectionId: number, messageType: number, payload: Uint8Array, vp: number): number {
    if (!this.#acceptsConnection(connectionId)) return HvStatus.INVALID_CONNECTION_ID
    if (this.#resetPending) return HvStatus.INSUFFICIENT_BUFFERS
    const sent = this.#link.send(this.#writer.postMessage(connectionId, messageType, vp, payload))
    return sent ? HvStatus.SUCCESS : HvStatus.INSUFFICIENT_BUFFERS
  }

  eventSignaled(connectionId: number, flag: number, vp: number): number {
    const idle = this.#pending.size === 0 && !this.#resetPending
    if (idle && this.#link.send(this.#writer.signalEvent(connectionId, flag, vp))) return HvStatus.SUCCESS
    const kept = this.#pending.add(connectionId * 0x1_0000 + flag, connectionId, flag, vp)
    return kept ? HvStatus.SUCCESS : HvStatus.INSUFFICIENT_BUFFERS
  }

  partitionReset(): void {
    this.#pending.clear()
    this.#resetPending = !this.#link.send(this.#writer.reset())
  }

  partitionGone(reason: string): void {
    this.#link.close({ reason })
  }

  #flush(): void {
    if (this.#resetPending) this.#resetPending = !this.#link.send(this.#writer.reset())
    if (this.#resetPending) return
    this.#pending.flush((connectionId, flag, vp) => this.#link.send(this.#writer.signalEvent(connectionId, flag, vp)))
  }

  #take(frame: Frame): boolean {
    const { type, view, base, length } = frame
    switch (type) {
      case FrameType.MESSAGE:
        return this.#takeMessage(frame)
      case FrameType.EVENT: {
        if (length !== eventFrame.size) throw new WireError('bad-length', `EVENT of ${length} bytes`)
        const vp = eventFrame.virtual_processor.get(view, base)
        this.#ports.signalEvent(vp, eventFrame.sint.get(view, base), eventFrame.event_flag.get(view, base))
        return true
      }
      default:
        throw new WireError('unknown-type', `frame of type 0x${type.toString(16)} does not belong here`)
    }
  }

  /** A message for a processor or SINT that does not exist is dropped, as the ports refuse it. */
  #takeMessage({ view, base, bytes, length }: Frame): boolean {
    const size = length < messageFrame.size ? -1 : messageFrame.payload_size.get(view, base)
    if (size < 0 || size > HV_MESSAGE_PAYLOAD_BYTES || length !== messageFrame.size + size) {
      throw new WireError('bad-length', `MESSAGE of ${length} bytes`)
    }
    const start = base + messageFrame.size
    const delivery = this.#ports.postMessage(
      messageFrame.virtual_processor.get(view, base),
      messageFrame.sint.get(view, base),
      messageFrame.message_type.get(view, base),
      bytes.subarray(start, start + size),
    )
    if (delivery !== 'full') return true
    this.#retry ??= this.#clock.after(RETRY_MS, () => {
      this.#retry = undefined
      this.#link.resume()
    })
    return false
  }
}
