import type { FrameOffload } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, frameOf, Lan } from '../guest.ts'

const tagged = (vlan: number): FrameOffload => ({ checksum: 0, segmentSize: 0, transportOffset: 0, vlan, hash: 0 })

/** Tags go beside the frame; a trunk passes its ids only, an access port takes them off. */
export const vlan: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const trunk = { port: { vlan: { mode: 'trunk', native: 0, allowed: [5, 4094] } as const } }
  const a = await lan.guest(trunk)
  const b = await lan.guest(trunk)
  const c = await lan.guest({ port: { vlan: { mode: 'access', id: 5 } } })
  const atB = collect(b.net)
  const atC = collect(c.net)
  const frame = frameOf(new Uint8Array(6).fill(0xff), a.net.settings.address, 100)
  for (const id of [5, 6, 4094]) a.net.transmit(frame, 0, frame.length, tagged(id))
  await until(() => atB.length === 2 && atC.length === 1, 'the tagged frames')
  const ids = atB.map((got) => got.vlan & 0xfff)
  want(ids[0] === 5 && ids[1] === 4094, `the trunk passed ${ids.join()}`)
  want(atC[0]?.vlan === -1, 'the access port left the tag on')
  want(a.adapter.switchPort.counters.vlanDrops === 1, 'id 6 was not dropped')
  return {
    did: 'sent frames of VLAN 5, 6 and 4094 from a trunk that allows 5 and 4094',
    saw: "the other trunk got 5 and 4094, the access port of 5 got one frame without tag, 6 was dropped at the sender's port",
  }
}
