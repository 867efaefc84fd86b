import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import type { LanGuest } from '../guest.ts'
import { collect, frameOf, Lan, macOf } from '../guest.ts'
import { Pump } from '../pump.ts'

const ROUNDS = 4
const SETTLED_MS = 3000

/** A second NIC comes, works and goes while the first one carries traffic; nothing of it stays. */
export const nicHotplug: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const c = await lan.guest()
  const { interfaces } = a.machine.kernel
  const pump = new Pump(a.net, b.net, 300)
  await until(() => pump.arrived > 0, 'traffic on hn0')
  const before = holding(lan, a)
  for (let round = 0; round < ROUNDS; round++) {
    const { arrived } = pump
    const adapter = lan.adapter({ address: macOf(100) })
    const port = a.machine.plug(adapter)
    await until(() => interfaces.get('hn1') !== undefined, 'hn1')
    const added = interfaces.get('hn1')
    want(added !== undefined, 'hn1 went by itself')
    // Both ways: nothing is heard of a NIC whose receive side does not work.
    const extra = new Pump(added, c.net, 100)
    const got = collect(added)
    const answer = frameOf(added.settings.address, c.net.settings.address, 60)
    c.net.transmit(answer, 0, answer.length)
    await until(() => got.length === 1 && extra.arrived > 10, 'frames over hn1, both ways')
    await extra.stop()
    await port.revoke()
    adapter.remove()
    await until(() => interfaces.get('hn1') === undefined, 'the end of hn1')
    await until(() => pump.arrived > arrived + 50, 'traffic on hn0 meanwhile')
    // The device is detached after its interface has gone.
    const end = performance.now() + SETTLED_MS
    while (holding(lan, a) !== before && performance.now() < end) await turn()
    const now = holding(lan, a)
    want(now === before, `after round ${round + 1} there is ${now}; before the first there was ${before}`)
  }
  const sent = await pump.stop()
  return {
    did: `plugged in, used and pulled out hn1 ${ROUNDS} times while hn0 sent`,
    saw: `all ${sent} frames of hn0 arrived; each time what was there before: ${before}`,
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What a NIC takes, counted in the guest and on the host. */
function holding({ clock, switch: { ports } }: Lan, { machine }: LanGuest): string {
  const { pages, sysctl } = machine.kernel
  const channels = machine.server.channels()
  const gpadls = channels.reduce((sum, channel) => sum + channel.gpadls, 0)
  const leaves = sysctl.list('dev.hn').length
  return [
    `${pages.allocatedPages + pages.leakedPages + pages.heldPages} pages`,
    `${machine.tree.devices().length} devices`,
    `${channels.length} channels with ${gpadls} GPADLs`,
    `${ports.length} switch ports`,
    `${leaves} sysctls`,
    `${clock.timers} timers`,
  ].join(', ')
}
