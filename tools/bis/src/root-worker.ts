import { parentPort, workerData } from 'node:worker_threads'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { describeError } from './cli-error.ts'
import { closeDisks, openDisks } from './disk-option.ts'
import { integrationServices, storageDevices } from './host-devices.ts'
import type { RootWorkerData, RootWorkerMessage } from './root-worker-script.ts'

// The root partition of `bis boot --root worker`: the host with the guest's disks, in a thread of its own.

const { ports, release, disks: images, refused } = workerData as RootWorkerData & { readonly ports: PortsLinkData }
const say = (message: RootWorkerMessage): void => parentPort?.postMessage(message)

try {
  const disks = await openDisks(images)
  const { ports: synic } = attachPorts(ports)
  const host = new Host({ release, clock: systemClock })
  const server = host.addGuest(synic, { versions: { refuseVersions: refused } })
  for (const device of [...storageDevices(release, disks), ...integrationServices(release).components])
    server.offer(device)
  parentPort?.once('message', async () => {
    try {
      await host[Symbol.asyncDispose]()
      await closeDisks(disks)
      say('closed')
    } catch (error) {
      say({ error: describeError(error) })
    }
  })
  say('ready')
} catch (error) {
  say({ error: describeError(error) })
}
