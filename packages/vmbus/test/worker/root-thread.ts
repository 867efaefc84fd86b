/** A root in a thread of its own, with one echo device. */
import { parentPort, workerData } from 'node:worker_threads'
import type { HostReleaseName } from '@bis/host'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { EchoDevice } from '../hosted.ts'

const { link, release } = workerData as { readonly link: PortsLinkData; readonly release: HostReleaseName }
const { ports } = attachPorts(link)
const host = new Host({ release, clock: systemClock })
const server = host.addGuest(ports)
server.offer(new EchoDevice())
parentPort?.on('message', () => parentPort?.postMessage(server.counters))
parentPort?.unref()
