import { VirtualFunction } from '@bis/host'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { Lan } from '../guest.ts'
import { Pump } from '../pump.ts'

const SWITCHES = 10
/** Frames by way of the function, or beside it, before the next switch. */
const ENOUGH = 20

/** The data path goes over to the virtual function and back under traffic both ways; no frame is lost or doubled. */
export const srIov: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const vf = new VirtualFunction({ name: 'mlx5_0', serial: 1, adapter: a.adapter })
  const shown = (): unknown => a.machine.kernel.sysctl.get('dev.hn.0.vf')
  want(shown() === '', `before there is one the guest has the function ${shown()}`)
  const out = new Pump(a.net, b.net)
  const back = new Pump(b.net, a.net)
  await until(() => out.arrived > ENOUGH, 'traffic')
  // The PCI side of the guest finds the device, and registers its interface.
  const registration = a.machine.kernel.interfaces.add('mce', () => vf)
  for (let i = 0; i < SWITCHES; i++) {
    vf.assign()
    await until(
      () => a.adapter.dataPath === 'virtual-function' && a.hn.path.active === vf,
      'the switch to the function',
    )
    want(shown() === 'mlx5_0', `the guest shows the function ${shown()}`)
    const { txFrames, rxFrames } = vf.statistics
    await until(
      () => vf.statistics.txFrames > txFrames + ENOUGH && vf.statistics.rxFrames > rxFrames + ENOUGH,
      'frames by way of the function, both ways',
    )
    vf.withdraw()
    await until(() => a.adapter.dataPath === 'synthetic' && a.hn.path.active === undefined, 'the switch back')
    const carried = vf.statistics.txFrames
    const { sent } = out
    await until(() => out.sent > sent + ENOUGH, 'frames after the switch back')
    want(
      vf.statistics.txFrames === carried,
      `${vf.statistics.txFrames - carried} frames by way of a function that is gone`,
    )
  }
  const sent = (await out.stop()) + (await back.stop())
  want(vf.offPath === 0, `${vf.offPath} frames were sent to the function while the path was elsewhere`)
  registration.remove()
  const { txFrames, rxFrames } = vf.statistics
  return {
    did: `assigned and withdrew a virtual function ${SWITCHES} times under traffic both ways`,
    saw: `all ${sent} frames arrived once, ${txFrames} sent and ${rxFrames} received by way of the function`,
  }
}
