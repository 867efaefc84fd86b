import { parentPort, workerData } from 'node:worker_threads'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { describeError } from './cli-error.ts'
import { closeDisks, openDisks } from './disk-option.ts'
import { integrationServices, storageDevices } from './host-devices.ts'
import { Nics } from './nic-devices.ts'
import type { RootWorkerData, RootWorkerMessage } from './root-worker-script.ts'

// The root partition of `bis boot --root worker`: the host with the guest's disks, in a thread of its own.

const {
  ports,
  release,
  disks: images,
  nics: options,
  network,
  refused,
} = workerData as RootWorkerData & { readonly ports: PortsLinkData }
const say = (message: RootWorkerMessage): void => parentPort?.postMessage(message)

try {
  const nics = await Nics.open(options, release, network)
  const disks = await openDisks(images)
  const { ports: synic } = attachPorts(ports)
  const host = new Host({ release, clock: systemClock })
  const server = host.addGuest(synic, { versions: { refuseVersions: refused } })
  const services = integrationServices(release)
  for (const device of [...storageDevices(release, disks), ...nics.devices, ...services.components])
    server.offer(device)
  parentPort?.once('message', async () => {
    try {
      await host[Symbol.asyncDispose]()
      await nics[Symbol.asyncDispose]()
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
