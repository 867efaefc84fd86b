import { TransmitStatus } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, frameOf, Lan, macOf, same } from '../guest.ts'

/** MTU 9000: a payload of 9000 bytes both ways in one frame; a longer one is refused. */
export const jumbo: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  for (const { net } of [a, b]) await net.configure({ mtu: 9000 })
  for (const [from, to, source, target] of [
    [a, b, 1, 2],
    [b, a, 2, 1],
  ] as const) {
    const got = collect(to.net)
    const frame = frameOf(macOf(target), macOf(source), 9014)
    want(from.net.transmit(frame, 0, frame.length) === TransmitStatus.sent, 'the frame was not taken')
    await until(() => got.length === 1, 'the long frame')
    want(same(got[0]?.bytes ?? frame.subarray(1), frame), 'the frame arrived otherwise')
  }
  want(
    lan.switch.ports.every(({ counters }) => counters.framesIn <= 1),
    'a frame went in pieces',
  )
  const longer = frameOf(macOf(2), macOf(1), 9019)
  want(a.net.transmit(longer, 0, longer.length) === TransmitStatus.refused, 'a frame above the MTU was taken')
  const refused = await a.net.configure({ mtu: 20_000 }).then(
    () => false,
    () => true,
  )
  want(refused && a.net.settings.mtu === 9000, 'an MTU of 20000 was taken')
  return {
    did: 'set MTU 9000, sent 9014-byte frames both ways, then longer ones',
    saw: 'each arrived whole, byte for byte; a longer frame and a larger MTU were refused',
  }
}
