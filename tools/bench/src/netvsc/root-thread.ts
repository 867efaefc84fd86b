import { parentPort, workerData } from 'node:worker_threads'
import { Host, VirtualSwitch } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { networkAdapter, RELEASE } from './adapters.ts'

// The host with its switch and two NICs for one guest, in a thread of its own.

const { ports } = workerData as { readonly ports: PortsLinkData }
const host = new Host({ release: RELEASE, clock: systemClock })
const lan = new VirtualSwitch({ clock: systemClock })
const server = host.addGuest(attachPorts(ports).ports)
server.offer(networkAdapter(lan, 1))
server.offer(networkAdapter(lan, 2))
parentPort?.once('message', async () => {
  await host[Symbol.asyncDispose]()
  parentPort?.postMessage('closed')
})
parentPort?.postMessage('ready')
