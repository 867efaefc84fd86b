import { VirtualSwitch } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { serveRoot } from '../thread/root.ts'
import { networkAdapter, RELEASE } from './adapters.ts'

// The host with its switch and two NICs for one guest, in a thread of its own.
serveRoot(RELEASE, (server) => {
  const lan = new VirtualSwitch({ clock: systemClock })
  server.offer(networkAdapter(lan, 1))
  server.offer(networkAdapter(lan, 2))
})
