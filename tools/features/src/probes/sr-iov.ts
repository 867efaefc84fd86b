import { VirtualFunction } from '@bis/host'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, frameOf, Lan, macOf } from '../guest.ts'

const SWITCHES = 10

/** The data path goes over to the virtual function and back, with no frame lost or doubled. */
export const srIov: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const got = collect(b.net)
  const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
  const registration = a.machine.kernel.interfaces.add('mce', () => vf)
  let sent = 0
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const frame = frameOf(macOf(2), macOf(1), 60)
      new DataView(frame.buffer).setUint32(14, sent)
      if (a.net.transmit(frame, 0, frame.length) === 0) sent++
    }
  }
  for (let i = 0; i < SWITCHES; i++) {
    vf.assign()
    send(5)
    await until(() => a.adapter.dataPath === 'virtual-function' && a.hn.path.active === vf, 'the switch')
    send(5)
    vf.withdraw()
    send(5)
    await until(() => a.adapter.dataPath === 'synthetic' && a.hn.path.active === undefined, 'the switch back')
    send(5)
  }
  await until(() => got.length === sent, 'every frame')
  const numbers = new Set(got.map(({ bytes }) => new DataView(bytes.buffer).getUint32(14)))
  want(numbers.size === sent, `${sent - numbers.size} frames came twice`)
  want(vf.statistics.txFrames >= SWITCHES * 5, 'the function carried nothing')
  registration.remove()
  return {
    did: `assigned and withdrew a virtual function ${SWITCHES} times under traffic`,
    saw: `all ${sent} frames arrived once, ${vf.statistics.txFrames >= SWITCHES * 5 ? 'many' : 'none'} by way of the function`,
  }
}
