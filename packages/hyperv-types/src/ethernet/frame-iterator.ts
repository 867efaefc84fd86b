import type { EthernetInterface } from '../interfaces/ethernet-interface.ts'

export interface FrameIteratorOptions {
  /** Frames kept for a slow reader; later ones are dropped. Default 1024. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/**
 * Received frames one at a time, each a copy of its own: comfort for tools and tests, not for speed. Takes the place of the
 * interface's receive handler until the loop ends; ends by itself when the interface is removed.
 */
export async function* receivedFrames(
  network: EthernetInterface,
  options: FrameIteratorOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { limit = 1024, signal } = options
  const waiting: Uint8Array[] = []
  let ended = signal?.aborted ?? false
  let wake: () => void = () => {}
  const end = (): void => {
    ended = true
    wake()
  }
  network.receive((frames, count) => {
    for (let i = 0; i < count && waiting.length < limit; i++) {
      const frame = frames[i]
      if (frame !== undefined) waiting.push(frame.bytes.slice(frame.offset, frame.offset + frame.length))
    }
    wake()
  })
  const stop = network.onEvent((event) => event.type === 'removed' && end())
  signal?.addEventListener('abort', end, { once: true })
  try {
    while (!ended || waiting.length > 0) {
      const frame = waiting.shift()
      if (frame !== undefined) {
        yield frame
        continue
      }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    stop()
    signal?.removeEventListener('abort', end)
    network.receive(undefined)
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
  const frames = receivedFrames(network, options)
  return {
    async pull(controller: FrameController): Promise<void> {
      const { done, value } = await frames.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel(): Promise<void> {
      await frames.return()
    },
  }
}

/** Underlying sink of frames to send, which waits for room: `new WritableStream(frameSink(hn0))`. */
export function frameSink(network: EthernetInterface) {
  return {
    async write(frame: Uint8Array): Promise<void> {
      await sendFrame(network, frame)
    },
  }
}
