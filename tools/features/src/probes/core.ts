import { HeartbeatComponent, hostRelease, ShutdownComponent, TimesyncComponent } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, controllerWith, disk, exercise, frameOf, Lan, macOf, powerOn, ramDisk } from '../guest.ts'

const AHEAD_MS = 3_600_000
const CLOCK_MS = 1000
const BEATS = 5

/** Devices attach and answer; the heartbeat goes on; the guest's clock follows; shutdown is acknowledged and done. */
export const core: Probe = async (cell) => {
  const options = { release: hostRelease(cell.host), clock: systemClock }
  const heartbeat = new HeartbeatComponent({ ...options, intervalMs: 5 })
  let ahead = 0
  const timesync = new TimesyncComponent({ ...options, realtime: () => Date.now() + ahead, intervalMs: 60_000 })
  const shutdown = new ShutdownComponent(options)
  await using lan = new Lan(cell)
  const adapter = lan.adapter()
  const backend = ramDisk()
  const devices = [controllerWith(cell, backend), adapter, heartbeat, timesync, shutdown]
  await using machine = await powerOn(cell, { devices })
  const attached = machine.tree.devices().filter(({ state }) => state === 'attached')
  const names = attached.map(({ nameunit }) => nameunit)
  for (const name of ['vmbus0', 'storvsc0', 'hn0', 'hvheartbeat0', 'hvtimesync0', 'hvshutdown0'])
    want(names.includes(name), `${name} is not attached; there is ${names.join()}`)
  await exercise(disk(machine), 0, 65_536, 1, backend)
  const peer = await lan.guest()
  const got = collect(peer.net)
  const frame = frameOf(macOf(2), macOf(1), 100)
  machine.kernel.interfaces.get('hn0')?.transmit(frame, 0, frame.length)
  await until(() => got.length === 1, 'a frame at the peer')
  await until(
    () => heartbeat.status.startsWith('ok'),
    () => {
      return `the heartbeat seen by the host (${heartbeat.status}, ${heartbeat.wrongAnswers} answers with another number)`
    },
  )
  const off = (): number => Math.abs(machine.kernel.realtime() - Date.now() - ahead)
  await until(() => off() < CLOCK_MS, "the guest's clock as the host's")
  // Back as well as on: a clock that only ever gains would pass otherwise.
  for (const step of [AHEAD_MS, -AHEAD_MS]) {
    ahead = step
    want(off() > CLOCK_MS, 'the guest has followed before it was told')
    await timesync.sync()
    await until(() => off() < CLOCK_MS, `the guest's clock ${step / 1000} s on`)
  }
  const { beats } = heartbeat
  await until(() => heartbeat.beats > beats + BEATS, `${BEATS} heartbeats with the number that is due`)
  want(heartbeat.wrongAnswers === 0, `${heartbeat.wrongAnswers} heartbeats with another number`)
  await shutdown.order({ action: 'shutdown', reason: 'probe' })
  let request: string | undefined
  void machine.off.then((how) => {
    request = how.request
  })
  await until(() => request !== undefined, 'the guest off, as it acknowledged')
  want(request === 'power-off', `the machine went off by ${request}`)
  return {
    did: 'used disk and NIC, let the host beat, set its clock an hour on and two back, ordered a shutdown',
    saw: `${names.join(' ')} attached and answering; ${BEATS} heartbeats with rising numbers; clock followed; order acknowledged, and the guest powered itself off`,
  }
}
