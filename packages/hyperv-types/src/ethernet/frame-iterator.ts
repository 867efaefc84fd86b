import type { EthernetInterface } from '../interfaces/ethernet-interface.ts'

export interface FrameIteratorOptions {
  /** Frames kept for a slow reader; later ones are dropped. Default 1024. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** Copies of received frames, kept until somebody asks for them. */
class FrameQueue {
  readonly #network: EthernetInterface
  readonly #signal: AbortSignal | undefined
  readonly #stopWatching: () => void
  readonly #waiting: Uint8Array[] = []
  #ended = false
  #wake: () => void = () => {}

  constructor(network: EthernetInterface, { limit = 1024, signal }: FrameIteratorOptions) {
    this.#network = network
    this.#signal = signal
    network.receive((frames, count) => {
      for (let i = 0; i < count && this.#waiting.length < limit; i++) {
        const frame = frames[i]
        if (frame !== undefined) this.#waiting.push(frame.bytes.slice(frame.offset, frame.offset + frame.length))
      }
      this.#wake()
    })
    this.#stopWatching = network.onEvent((event) => event.type === 'removed' && this.end())
    signal?.addEventListener('abort', this.end, { once: true })
    if (signal?.aborted === true) this.end()
  }

  /** @returns undefined at the end, after what had come before it */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#waiting.shift()
      if (frame !== undefined || this.#ended) return frame
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Gives the interface's handler back; whoever waits is told. */
  readonly end = (): void => {
    if (this.#ended) return
    this.#ended = true
    this.#stopWatching()
    this.#signal?.removeEventListener('abort', this.end)
    this.#network.receive(undefined)
    this.#wake()
  }
}

/**
 * Received frames one at a time, each a copy of its own: comfort for tools and tests, not for speed. Takes the place of the
 * interface's receive handler until the loop ends; ends by itself when the interface is removed.
 */
export async function* receivedFrames(
  network: EthernetInterface,
  options: FrameIteratorOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const queue = new FrameQueue(network, options)
  try {
    for (let frame = await queue.next(); frame !== undefined; frame = await queue.next()) yield frame
  } finally {
    queue.end()
  }
}

/** Sends one frame, waiting for room. Resolves to whether it was taken; false when the interface is down or refuses it. */
export function sendFrame(network: EthernetInterface, frame: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    let stop: () => void = () => {}
    const attempt = (): void => {
      const status = network.transmit(frame, 0, frame.length)
      if (status === 1) return
      stop()
      resolve(status === 0)
    }
    stop = network.onEvent((event) => {
      if (event.type === 'writable' || event.type === 'removed') attempt()
    })
    attempt()
  })
}

/** What a WHATWG `ReadableStream` of frames needs of its controller. */
export interface FrameController {
  enqueue(frame: Uint8Array): void
  close(): void
}

/** Underlying source of received frames: `new ReadableStream(frameSource(hn0))`. */
export function frameSource(network: EthernetInterface, options: FrameIteratorOptions = {}) {
  const queue = new FrameQueue(network, options)
  return {
    async pull(controller: FrameController): Promise<void> {
      const frame = await queue.next()
      if (frame === undefined) controller.close()
      else controller.enqueue(frame)
    },
    cancel(): void {
      queue.end()
    },
  }
}

/**
 * Underlying sink of frames to send, which waits for room: `new WritableStream(frameSink(hn0))`. What the interface refuses,
 * or is down for, is lost as on a wire.
 */
export function frameSink(network: EthernetInterface) {
  return {
    async write(frame: Uint8Array): Promise<void> {
      await sendFrame(network, frame)
    },
  }
}
