import { WireError } from '../errors.ts'
import { EVENT_FLAGS_PER_SINT, HV_MESSAGE_PAYLOAD_BYTES, HvStatus, SINT_COUNT } from '../hypervisor/index.ts'
import type { Clock, Timer } from '../interfaces/clock.ts'
import type { PortDelivery, SynicPorts, SynicRoot } from '../interfaces/synic-ports.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import type { FrameLink, LinkEnd } from './frame-link.ts'
import type { Frame } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { FrameType, postMessageFrame, signalEventFrame } from './frames.ts'
import { PendingEvents } from './pending-events.ts'
import { TransportError } from './transport-error.ts'

/** Events that may wait for a full link. */
const PENDING_LIMIT = 65_536
/** What a partition may send before it has a root, in bytes: more than any does that waits for answers. */
const WITHOUT_ROOT_LIMIT = 512 * 1024
/** How long a root without buffers is left alone before it is offered a message again, in milliseconds. */
const RETRY_MS = 1

export interface RemotePortsOptions {
  readonly link: FrameLink
  /** The partition's memory, as it is mapped here. */
  readonly memory: GuestMemory
  /** VP indices are below this. */
  readonly processorCount: number
  readonly clock: Clock
  /** The link has ended, and the root has been told. */
  readonly onEnd?: (end: LinkEnd) => void
}

/**
 * The SynIC of a partition at the other end of a link, for a root on this side. What the guest sends before a root is
 * connected, or while the root has no buffers, waits. Deliveries cannot be known here: a message is `queued`, an event
 * `delivered`, once they are on their way.
 */
export class RemotePorts implements SynicPorts {
  readonly memory: GuestMemory
  readonly processorCount: number
  readonly #link: FrameLink
  readonly #clock: Clock
  readonly #writer = new FrameWriter()
  readonly #pending = new PendingEvents(PENDING_LIMIT)
  #root: SynicRoot | undefined
  #end: LinkEnd | undefined
  #retry: Timer | undefined

  constructor({ link, memory, processorCount, clock, onEnd }: RemotePortsOptions) {
    this.#link = link
    this.memory = memory
    this.processorCount = processorCount
    this.#clock = clock
    link.start({
      onFrame: (frame) => this.#take(frame),
      onWritable: () => this.#flush(),
      onEnd: (end) => {
        this.#end = end
        this.#retry?.cancel()
        this.#pending.clear()
        const root = this.#root
        this.#root = undefined
        root?.partitionGone?.(end.reason)
        onEnd?.(end)
      },
    })
  }

  postMessage(vp: number, sint: number, messageType: number, payload: Uint8Array): PortDelivery {
    if (this.#end !== undefined) return 'gone'
    const type = messageType >>> 0
    if (!this.#isTarget(vp, sint) || type === 0 || payload.length > HV_MESSAGE_PAYLOAD_BYTES) return 'invalid'
    return this.#link.send(this.#writer.message(vp, sint, type, payload)) ? 'queued' : 'full'
  }

  signalEvent(vp: number, sint: number, flag: number): PortDelivery {
    if (this.#end !== undefined) return 'gone'
    if (!this.#isTarget(vp, sint) || !isBelow(flag, EVENT_FLAGS_PER_SINT)) return 'invalid'
    if (this.#pending.size === 0 && this.#link.send(this.#writer.event(vp, sint, flag))) return 'delivered'
    const key = (vp * SINT_COUNT + sint) * EVENT_FLAGS_PER_SINT + flag
    return this.#pending.add(key, vp, sint, flag) ? 'delivered' : 'full'
  }

  connect(root: SynicRoot): () => void {
    if (this.#root !== undefined) throw new TransportError('already-connected', 'a root is connected to this partition')
    if (this.#end === undefined) {
      this.#root = root
      // What came before waits in the link; it is handed over outside of this call.
      this.#clock.soon(() => this.#link.resume())
    } else {
      const { reason } = this.#end
      this.#clock.soon(() => root.partitionGone?.(reason))
    }
    return () => {
      if (this.#root === root) this.#root = undefined
    }
  }

  /** Ends the link with the partition. */
  close(reason: string): void {
    this.#link.close({ reason })
  }

  #isTarget(vp: number, sint: number): boolean {
    return isBelow(vp, this.processorCount) && isBelow(sint, SINT_COUNT)
  }

  #flush(): void {
    this.#pending.flush((vp, sint, flag) => this.#link.send(this.#writer.event(vp, sint, flag)))
  }

  #take(frame: Frame): boolean {
    const root = this.#root
    if (root === undefined && this.#link.waiting > WITHOUT_ROOT_LIMIT) {
      throw new WireError('bad-length', `${this.#link.waiting} bytes for a root that is not there`)
    }
    switch (frame.type) {
      case FrameType.POST_MESSAGE:
        return root !== undefined && this.#takePost(frame, root)
      case FrameType.SIGNAL_EVENT: {
        expectLength('SIGNAL_EVENT', frame, signalEventFrame.size)
        if (root === undefined) return false
        const { view, base } = frame
        const connectionId = signalEventFrame.connection_id.get(view, base)
        const flag = signalEventFrame.event_flag.get(view, base)
        root.eventSignaled(connectionId, flag, signalEventFrame.virtual_processor.get(view, base))
        return true
      }
      case FrameType.RESET:
        expectLength('RESET', frame, 0)
        this.#pending.clear()
        root?.partitionReset()
        return root !== undefined
      default:
        throw new WireError('unknown-type', `frame of type 0x${frame.type.toString(16)} does not belong here`)
    }
  }

  #takePost(frame: Frame, root: SynicRoot): boolean {
    const { view, base, bytes, length } = frame
    if (length < postMessageFrame.size) throw new WireError('truncated', `POST_MESSAGE of ${length} bytes`)
    const size = postMessageFrame.payload_size.get(view, base)
    if (size > HV_MESSAGE_PAYLOAD_BYTES) throw new WireError('bad-length', `POST_MESSAGE with ${size} bytes of payload`)
    expectLength('POST_MESSAGE', frame, postMessageFrame.size + size)
    const start = base + postMessageFrame.size
    const status = root.messagePosted(
      postMessageFrame.connection_id.get(view, base),
      postMessageFrame.message_type.get(view, base),
      bytes.subarray(start, start + size),
      postMessageFrame.virtual_processor.get(view, base),
    )
    if (status !== HvStatus.INSUFFICIENT_BUFFERS) return true
    this.#retry ??= this.#clock.after(RETRY_MS, () => {
      this.#retry = undefined
      this.#link.resume()
    })
    return false
  }
}

function expectLength(name: string, { length }: Frame, expected: number): void {
  if (length !== expected) throw new WireError('bad-length', `${name} of ${length} bytes; it has ${expected}`)
}

function isBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit
}
