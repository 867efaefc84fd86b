import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, controllerWith, disk, exercise, frameOf, Lan, macOf, powerOn, ramDisk } from '../guest.ts'

/** A machine with a disk and two NICs' traffic works on a host that does not offer the feature. */
export const copes: Probe = async (cell) => {
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, ramDisk())] })
  await exercise(disk(machine), 4096, 65_536)
  await using lan = new Lan(cell)
  const a = await lan.guest()
  const b = await lan.guest()
  const got = collect(b.net)
  const frame = frameOf(macOf(2), macOf(1), 200)
  a.net.transmit(frame, 0, frame.length)
  await until(() => got.length === 1, 'a frame on a host without the feature')
  const failed = machine.tree.devices().filter(({ failure }) => failure !== undefined)
  want(failed.length === 0, `failed: ${failed.map(({ nameunit }) => nameunit).join()}`)
  return { did: 'booted on a host that does not offer it', saw: 'disk and network work, no device failed' }
}
