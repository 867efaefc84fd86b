import { parentPort, workerData } from 'node:worker_threads'
import type { HostReleaseName, VmbusServer } from '@bis/host'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'

/** Is the host of one guest in this thread until a message asks it to close; does nothing where no thread was started. */
export function serveRoot(release: HostReleaseName, offer: (server: VmbusServer) => void): void {
  const port = parentPort
  if (port === null) return
  const { ports } = workerData as { readonly ports: PortsLinkData }
  const host = new Host({ release, clock: systemClock })
  offer(host.addGuest(attachPorts(ports).ports))
  port.once('message', async () => {
    await host[Symbol.asyncDispose]()
    port.postMessage('closed')
  })
  port.postMessage('ready')
}
