import { parentPort, workerData } from 'node:worker_threads'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { RELEASE, ramController } from './ram-controller.ts'

// The host with its RAM disk, in a thread of its own.

const { ports } = workerData as { readonly ports: PortsLinkData }
const host = new Host({ release: RELEASE, clock: systemClock })
host.addGuest(attachPorts(ports).ports).offer(ramController())
parentPort?.once('message', async () => {
  await host[Symbol.asyncDispose]()
  parentPort?.postMessage('closed')
})
parentPort?.postMessage('ready')
