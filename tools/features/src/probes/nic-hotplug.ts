import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, frameOf, Lan, macOf } from '../guest.ts'

const ROUNDS = 3

/** A second NIC comes and goes while the first one carries traffic; nothing of it stays. */
export const nicHotplug: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const { interfaces, pages } = a.machine.kernel
  const got = collect(b.net)
  const frame = frameOf(macOf(2), macOf(1), 300)
  let sent = 0
  const flood = (): void => {
    for (let i = 0; i < 50; i++) if (a.net.transmit(frame, 0, frame.length) === 0) sent++
  }
  let held = 0
  for (let round = 0; round < ROUNDS; round++) {
    const adapter = lan.adapter()
    const port = a.machine.plug(adapter)
    flood()
    await until(() => interfaces.get('hn1') !== undefined, 'hn1')
    const extra = frameOf(macOf(2), adapter.permanentAddress, 100)
    if (interfaces.get('hn1')?.transmit(extra, 0, extra.length) === 0) sent++
    flood()
    await until(() => got.length === sent, 'every frame')
    await port.revoke()
    adapter.remove()
    await until(() => interfaces.get('hn1') === undefined, 'the end of hn1')
    if (round === 0) held = pages.allocatedPages
    want(pages.allocatedPages === held, `${pages.allocatedPages - held} pages more than after the first`)
  }
  want(lan.switch.ports.length === 2, `${lan.switch.ports.length} ports left on the switch`)
  return {
    did: `plugged in and pulled out hn1 ${ROUNDS} times while hn0 sent`,
    saw: `all ${sent} frames arrived; no page and no switch port left behind`,
  }
}
