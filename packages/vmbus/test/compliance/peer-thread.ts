/** The root in a thread of its own, with the device that the cases talk to; does what it is told, one call at a time. */
import type { MessagePort } from 'node:worker_threads'
import { workerData } from 'node:worker_threads'
import type { HostReleaseName } from '@bis/host'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { DevicePeer } from '../../src/compliance/index.ts'

export interface PeerThreadData {
  readonly link: PortsLinkData
  readonly release: HostReleaseName
  readonly calls: MessagePort
  /** One word: set when an answer is there. */
  readonly answered: SharedArrayBuffer
}

export interface PeerCall {
  readonly name: string
  readonly args: readonly unknown[]
}

const { link, release, calls, answered } = workerData as PeerThreadData
const words = new Int32Array(answered)
const peer = new DevicePeer()
new Host({ release, clock: systemClock }).addGuest(attachPorts(link).ports).offer(peer)

calls.on('message', ({ name, args }: PeerCall) => {
  calls.postMessage(answer(name, args))
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
})

function answer(name: string, args: readonly unknown[]): unknown {
  if (name === 'receivedFrom') return peer.received.slice(args[0] as number)
  const member = peer[name as keyof DevicePeer]
  return typeof member === 'function' ? (member as (...given: unknown[]) => unknown).apply(peer, [...args]) : member
}
