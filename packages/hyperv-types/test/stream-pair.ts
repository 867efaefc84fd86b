import type { Clock } from '../src/index.ts'
import type { ByteStream } from '../src/vmbus-user/index.ts'

const HIGH_WATER = 16_384

type Listener = (argument: never) => void

class PairedStream implements ByteStream {
  peer: PairedStream | undefined
  readonly #clock: Clock
  readonly #listeners = new Map<string, Listener[]>()
  readonly #incoming: Uint8Array[] = []
  #flowing = false
  #ended = false
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get waiting(): number {
    return this.#incoming.reduce((sum, { length }) => sum + length, 0)
  }

  write(bytes: Uint8Array): boolean {
    this.peer?.accept(bytes.slice())
    return (this.peer?.waiting ?? 0) < HIGH_WATER
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#clock.soon(() => this.peer?.acceptEnd())
  }

  destroy(): void {
    this.end()
    this.#close()
  }

  pause(): void {
    this.#flowing = false
  }

  resume(): void {
    this.#flowing = true
    this.#clock.soon(() => this.#flow())
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  accept(bytes: Uint8Array): void {
    this.#incoming.push(bytes)
    this.#clock.soon(() => this.#flow())
  }

  acceptEnd(): void {
    this.#clock.later(() => {
      this.#emit('end')
      this.end()
      this.#close()
      this.peer?.destroy()
    })
  }

  #flow(): void {
    while (this.#flowing && !this.#closed) {
      const chunk = this.#incoming.shift()
      if (chunk === undefined) return
      this.#emit('data', chunk)
      if (this.waiting < HIGH_WATER) this.peer?.drained()
    }
  }

  drained(): void {
    this.#clock.soon(() => this.#emit('drain'))
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#emit('close')
  }

  #emit(event: string, argument?: Uint8Array): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(argument as never)
  }
}

/** The two ends of a connection without a network, on a clock that a test steps. */
export function streamPair(clock: Clock): readonly [ByteStream & PairedStream, ByteStream & PairedStream] {
  const near = new PairedStream(clock)
  const far = new PairedStream(clock)
  near.peer = far
  far.peer = near
  return [near, far]
}
