import type { ResultCode } from './frames.ts'
import {
  eventFrame,
  FrameType,
  frameHeader,
  helloAckFrame,
  helloFrame,
  memoryAckFrame,
  messageFrame,
  postMessageFrame,
  signalEventFrame,
  VMBUS_USER_MAGIC,
  VMBUS_USER_VERSION,
} from './frames.ts'

const HEADER_BYTES = frameHeader.size
/** Header, fixed part and the longest message. */
const SCRATCH_BYTES = 512

/**
 * Builds the frames that flow all the time. Each method returns a window on one buffer, valid until the next call;
 * nothing else is allocated.
 */
export class FrameWriter {
  readonly #bytes = new Uint8Array(SCRATCH_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)

  postMessage(connectionId: number, messageType: number, vp: number, payload: Uint8Array): Uint8Array {
    postMessageFrame.connection_id.set(this.#view, HEADER_BYTES, connectionId)
    postMessageFrame.message_type.set(this.#view, HEADER_BYTES, messageType)
    postMessageFrame.virtual_processor.set(this.#view, HEADER_BYTES, vp)
    postMessageFrame.payload_size.set(this.#view, HEADER_BYTES, payload.length)
    return this.#finish(FrameType.POST_MESSAGE, postMessageFrame.size, payload)
  }

  signalEvent(connectionId: number, flag: number, vp: number): Uint8Array {
    signalEventFrame.connection_id.set(this.#view, HEADER_BYTES, connectionId)
    signalEventFrame.event_flag.set(this.#view, HEADER_BYTES, flag)
    signalEventFrame.virtual_processor.set(this.#view, HEADER_BYTES, vp)
    return this.#finish(FrameType.SIGNAL_EVENT, signalEventFrame.size)
  }

  message(vp: number, sint: number, messageType: number, payload: Uint8Array): Uint8Array {
    messageFrame.virtual_processor.set(this.#view, HEADER_BYTES, vp)
    messageFrame.sint.set(this.#view, HEADER_BYTES, sint)
    messageFrame.message_type.set(this.#view, HEADER_BYTES, messageType)
    messageFrame.payload_size.set(this.#view, HEADER_BYTES, payload.length)
    return this.#finish(FrameType.MESSAGE, messageFrame.size, payload)
  }

  event(vp: number, sint: number, flag: number): Uint8Array {
    eventFrame.virtual_processor.set(this.#view, HEADER_BYTES, vp)
    eventFrame.sint.set(this.#view, HEADER_BYTES, sint)
    eventFrame.event_flag.set(this.#view, HEADER_BYTES, flag)
    this.#view.setUint32(HEADER_BYTES + eventFrame.reserved.offset, 0)
    return this.#finish(FrameType.EVENT, eventFrame.size)
  }

  reset(): Uint8Array {
    return this.#finish(FrameType.RESET, 0)
  }

  #finish(type: number, fixed: number, payload?: Uint8Array): Uint8Array {
    const length = fixed + (payload?.length ?? 0)
    this.#view.setUint32(0, length, true)
    this.#view.setUint32(4, type, true)
    if (payload !== undefined) this.#bytes.set(payload, HEADER_BYTES + fixed)
    return this.#bytes.subarray(0, HEADER_BYTES + length)
  }
}

/** A frame of its own from payload parts. */
export function encodeFrame(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const frame = new Uint8Array(HEADER_BYTES + length)
  frameHeader.encode({ payload_length: length, type }, frame)
  let offset = HEADER_BYTES
  for (const part of parts) {
    frame.set(part, offset)
    offset += part.length
  }
  return frame
}

export function encodeHello(processorCount: number): Uint8Array {
  const hello = { magic: VMBUS_USER_MAGIC, version: VMBUS_USER_VERSION, processor_count: processorCount }
  return encodeFrame(FrameType.HELLO, helloFrame.encode(hello))
}

export function encodeHelloAck(result: ResultCode): Uint8Array {
  const ack = { magic: VMBUS_USER_MAGIC, version: VMBUS_USER_VERSION, result }
  return encodeFrame(FrameType.HELLO_ACK, helloAckFrame.encode(ack))
}

export function encodeMemoryAck(result: ResultCode): Uint8Array {
  return encodeFrame(FrameType.MEMORY_ACK, memoryAckFrame.encode({ result }))
}
