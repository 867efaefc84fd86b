import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { MessagePort } from 'node:worker_threads'
import type { WasmMemory } from '@bis/hyperv-types'
import type { RingEngine } from '@bis/hyperv-types/ring'
import { initRing, memoryCopy, ringEngineFor, scriptEngine } from '@bis/hyperv-types/ring'
import { ring, wait } from './doorbell.ts'
import { consume, copyInWasm, copyWithin, PingPong, produce, writeAndRead } from './loops.ts'

/** What a thread works with; handed over when it starts. */
export interface ThreadData {
  readonly engine: RingEngine['kind']
  readonly buffer: ArrayBufferLike
  readonly wasm?: WasmMemory
  /** Bytes of guest memory at the start of the buffer: two rings, then room for payloads. */
  readonly guestBytes: number
  readonly ringBytes: number
  readonly payloadBytes: number
  /** Three words: two doorbells, and one to meet at. */
  readonly bells: Int32Array
}

export type ThreadRequest =
  | { readonly what: 'one-thread' | 'produce' | 'consume' | 'copy'; readonly rounds: number }
  | { readonly what: 'ping' | 'pong' | 'bell-ping' | 'bell-pong'; readonly rounds: number }
  | { readonly what: 'port-ping' | 'port-pong'; readonly rounds: number; readonly port: MessagePort }
  | { readonly what: 'heap'; readonly rounds: number }

export type Answer = { readonly value: number | readonly number[] } | { readonly error: string }

type Work = (request: ThreadRequest) => number | readonly number[] | Promise<readonly number[]>

function nanoseconds(work: () => unknown): number {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start)
}

/** Round-trip times of `rounds` turns. */
function turns(rounds: number, turn: () => void): number[] {
  const times = new Array<number>(rounds)
  for (let i = 0; i < rounds; i++) {
    const start = process.hrtime.bigint()
    turn()
    times[i] = Number(process.hrtime.bigint() - start)
  }
  return times
}

export function threadWork(data: ThreadData): Work {
  const { buffer, ringBytes, payloadBytes, bells, guestBytes, wasm } = data
  const engine =
    data.engine === 'wasm'
      ? ringEngineFor({ byteLength: guestBytes, ...(wasm === undefined ? {} : { wasm }) })
      : scriptEngine
  const first = new Uint8Array(buffer, 0, ringBytes)
  const second = new Uint8Array(buffer, ringBytes, ringBytes)
  const payload = engine.allocate(payloadBytes)
  const longest = payloadBytes + 64
  // Made when first asked for: an end of a ring belongs to one thread.
  let producer: ReturnType<RingEngine['producer']> | undefined
  let consumer: ReturnType<RingEngine['consumer']> | undefined
  let pingPong: PingPong | undefined

  const oneThread = (rounds: number) => {
    producer ??= engine.producer(first)
    consumer ??= engine.consumer(first, longest)
    return writeAndRead(rounds, producer, consumer, payload)
  }

  return (request) => {
    const { rounds } = request
    switch (request.what) {
      case 'one-thread':
        return nanoseconds(() => oneThread(rounds))
      case 'copy': {
        const from = 2 * ringBytes
        if (wasm !== undefined) {
          const copy = memoryCopy(wasm)
          return nanoseconds(() => copyInWasm(rounds, copy, ringBytes, from, payloadBytes))
        }
        const bytes = new Uint8Array(buffer)
        return nanoseconds(() => copyWithin(rounds, bytes, ringBytes, from, payloadBytes))
      }
      case 'produce': {
        producer ??= engine.producer(first)
        const end = producer
        return nanoseconds(() => produce(rounds, end, payload, bells))
      }
      case 'consume': {
        consumer ??= engine.consumer(first, longest)
        const end = consumer
        return nanoseconds(() => consume(rounds, end, bells))
      }
      case 'ping':
        pingPong ??= new PingPong(engine, first, second, payload, bells, 0)
        return turns(rounds, () => {
          pingPong?.send()
          pingPong?.receive()
        })
      case 'pong':
        pingPong ??= new PingPong(engine, second, first, payload, bells, 1)
        return turns(rounds, () => {
          pingPong?.receive()
          pingPong?.send()
        })
      case 'bell-ping':
        return turns(rounds, () => {
          ring(bells, 1)
          wait(bells, 0)
        })
      case 'bell-pong':
        return turns(rounds, () => {
          wait(bells, 1)
          ring(bells, 0)
        })
      case 'port-ping':
        return portTurns(request.port, rounds, true)
      case 'port-pong':
        return portTurns(request.port, rounds, false)
      case 'heap':
        initRing(first)
        return heapFigures(() => oneThread(rounds))
    }
  }
}

/** Round trips of a small message over a MessagePort. */
function portTurns(port: MessagePort, rounds: number, starts: boolean): Promise<readonly number[]> {
  return new Promise((resolve) => {
    const times: number[] = []
    let sent = process.hrtime.bigint()
    let left = rounds
    port.on('message', () => {
      if (starts) times.push(Number(process.hrtime.bigint() - sent))
      if (!starts || left > 1) {
        sent = process.hrtime.bigint()
        port.postMessage(0)
      }
      if (--left === 0) {
        // What was sent last must get out before the port closes.
        setTimeout(() => port.close(), 50)
        resolve(times)
      }
    })
    if (starts) port.postMessage(0)
  })
}

/** Heap growth in bytes, and collections, while something runs. */
async function heapFigures(work: () => unknown): Promise<readonly number[]> {
  work() // compile
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  const settle = () => new Promise((resolve) => setTimeout(resolve, 50))
  await settle()
  observer.observe({ entryTypes: ['gc'] })
  const before = getHeapStatistics().used_heap_size
  work()
  const growth = getHeapStatistics().used_heap_size - before
  await settle()
  observer.disconnect()
  return [growth, collections]
}
