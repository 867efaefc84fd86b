import { HeartbeatComponent, hostRelease, ShutdownComponent, TimesyncComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, controllerWith, disk, exercise, frameOf, Lan, macOf, powerOn, ramDisk } from '../guest.ts'

const AHEAD_MS = 3_600_000

/** Devices attach and answer; the heartbeat goes on; the guest's clock follows; shutdown is acknowledged and done. */
export const core: Probe = async (cell) => {
  const options = { release: hostRelease(cell.host), clock: systemClock }
  const heartbeat = new HeartbeatComponent({ ...options, intervalMs: 5 })
  const timesync = new TimesyncComponent({ ...options, realtime: () => Date.now() + AHEAD_MS })
  const shutdown = new ShutdownComponent(options)
  await using lan = new Lan(cell)
  const adapter = lan.adapter()
  const devices = [controllerWith(cell, ramDisk()), adapter, heartbeat, timesync, shutdown]
  await using machine = await powerOn(cell, { devices })
  const attached = machine.tree.devices().filter(({ state }) => state === 'attached')
  const names = attached.map(({ nameunit }) => nameunit)
  for (const name of ['vmbus0', 'storvsc0', 'hn0', 'hvheartbeat0', 'hvtimesync0', 'hvshutdown0'])
    want(names.includes(name), `${name} is not attached; there is ${names.join()}`)
  await exercise(disk(machine), 0, 65_536)
  const peer = await lan.guest()
  const got = collect(peer.net)
  const frame = frameOf(macOf(2), macOf(1), 100)
  machine.kernel.interfaces.get('hn0')?.transmit(frame, 0, frame.length)
  await until(() => got.length === 1, 'a frame at the peer')
  await until(() => heartbeat.status.startsWith('ok'), 'the heartbeat seen by the host')
  await timesync.sync()
  await until(() => Math.abs(machine.kernel.realtime() - Date.now() - AHEAD_MS) < 1000, "the guest's clock an hour on")
  for (let beat = 0; beat < 3; beat++) {
    const last = heartbeat.lastAnswer
    await until(() => heartbeat.lastAnswer !== last, 'the next heartbeat')
  }
  await shutdown.order({ action: 'shutdown', reason: 'probe' })
  const { request } = await machine.off
  want(request === 'power-off', `the machine went off by ${request}`)
  return {
    did: 'used disk and NIC, let the host beat, set its clock an hour on, ordered a shutdown',
    saw: `${names.join(' ')} attached; heartbeats answered one after another; clock followed; guest powered itself off`,
  }
}
