/** A root in a process of its own, with two echo devices for every guest that connects. */
import { Host } from '@bis/host'
import { listenVmbusUser } from '@bis/host/node'
import { systemClock } from '@bis/hyperv-types'
import { EchoDevice } from '../pair/echo-device.ts'

const host = new Host({ release: '2025', clock: systemClock })
await listenVmbusUser({
  path: process.argv[2] ?? '',
  onPartition({ ports, ended }) {
    const server = host.addGuest(ports)
    for (const n of [1, 2]) server.offer(new EchoDevice(n))
    void ended.then(async ({ reason }) => {
      await host.removeGuest(server)
      process.stdout.write(`ended: ${reason}\n`)
    })
  },
})
process.stdout.write('listening\n')
