import type { MessagePort } from 'node:worker_threads'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { HostReleaseName } from '@bis/host'
import type { PortsLinkData } from '@bis/partition/worker'
import type { ChannelPeer, PeerPacket } from '../../src/compliance/index.ts'
import type { PeerThreadData } from './peer-thread.ts'

const PATIENCE_MS = 10_000

/** The device of a root in another thread; each call waits there for its answer. */
export class ThreadPeer implements ChannelPeer {
  readonly worker: Worker
  readonly #calls: MessagePort
  readonly #answered = new Int32Array(new SharedArrayBuffer(4))
  readonly #received: PeerPacket[] = []

  constructor(script: string, link: PortsLinkData, release: HostReleaseName) {
    const { port1, port2 } = new MessageChannel()
    const workerData: PeerThreadData = { link, release, calls: port2, answered: this.#answered.buffer }
    this.#calls = port1
    this.worker = new Worker(script, { workerData, transferList: [port2] })
  }

  get opened(): number {
    return this.#call('opened') as number
  }

  get open(): boolean {
    return this.#call('open') as boolean
  }

  get received(): readonly PeerPacket[] {
    this.#received.push(...(this.#call('receivedFrom', this.#received.length) as PeerPacket[]))
    return this.#received
  }

  get userData(): Uint8Array {
    return this.#call('userData') as Uint8Array
  }

  send(type: number, transactionIdLow: number, transactionIdHigh: number, data: Uint8Array): boolean {
    return this.#call('send', type, transactionIdLow, transactionIdHigh, data) as boolean
  }

  pause(): void {
    this.#call('pause')
  }

  resume(): void {
    this.#call('resume')
  }

  readShared(handle: number): Uint8Array | undefined {
    return this.#call('readShared', handle) as Uint8Array | undefined
  }

  offerSubchannels(count: number): void {
    this.#call('offerSubchannels', count)
  }

  rescind(): void {
    this.#call('rescind')
  }

  #call(name: string, ...args: readonly unknown[]): unknown {
    Atomics.store(this.#answered, 0, 0)
    this.#calls.postMessage({ name, args })
    if (Atomics.wait(this.#answered, 0, 0, PATIENCE_MS) === 'timed-out') throw new Error(`no answer to ${name}`)
    return receiveMessageOnPort(this.#calls)?.message
  }
}
