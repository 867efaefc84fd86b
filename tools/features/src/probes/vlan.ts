import type { FrameOffload } from '@bis/hyperv-types'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { collect, frameOf, Lan, same } from '../guest.ts'

const tagged = (vlan: number): FrameOffload => ({ checksum: 0, segmentSize: 0, transportOffset: 0, vlan, hash: 0 })
const trunk = (...allowed: number[]) => ({ port: { vlan: { mode: 'trunk', native: 0, allowed } as const } })

/** Tags go beside the frame; a trunk passes its ids only, both ways, and an access port puts them on and takes them off. */
export const vlan: Probe = async (cell) => {
  await using lan = new Lan(cell)
  const a = await lan.guest(trunk(5, 4094))
  const b = await lan.guest(trunk(5, 4094))
  const access = await lan.guest({ port: { vlan: { mode: 'access', id: 5 } } })
  const other = await lan.guest(trunk(6))
  const wire = lan.wire()
  const [atA, atB, atAccess] = [a, b, access].map(({ net }) => collect(net))
  const frame = frameOf(new Uint8Array(6).fill(0xff), a.net.settings.address, 100)
  // The trunk of 6 goes first: what wrongly passes is there when the others' frames have come.
  other.net.transmit(frameOf(frame, other.net.settings.address, 100), 0, 100, tagged(6))
  for (const id of [6, 5, 4094]) a.net.transmit(frame, 0, frame.length, tagged(id))
  await until(() => (atB?.length ?? 0) >= 2 && (atAccess?.length ?? 0) >= 1, 'the tagged frames')
  const ids = (atB ?? []).map((got) => got.vlan & 0xfff).join()
  want(ids === '5,4094', `the trunk of 5 and 4094 passed ${ids}`)
  want(
    atAccess?.length === 1 && atAccess[0]?.vlan === -1,
    `the access port of 5 gave its guest tag ${atAccess?.[0]?.vlan}`,
  )
  want((atA?.length ?? 0) === 0, `a trunk of 5 and 4094 got ${atA?.length} frames of VLAN 6`)
  const outside = wire.frames.map(({ vlan: id }) => id).join()
  want(outside === '6,5', `outside there are frames of VLAN ${outside}`)
  for (const { bytes } of [...(atB ?? []), ...(atAccess ?? []), ...wire.frames.slice(1)])
    want(same(bytes, frame), `a frame of ${bytes.length} bytes arrived otherwise, or with a tag in it`)
  const { vlanDrops } = a.adapter.switchPort.counters
  // One on its way in, one of the other trunk's on its way out.
  want(vlanDrops === 2, `the sender's port dropped ${vlanDrops} frames`)
  const answer = frameOf(a.net.settings.address, access.net.settings.address, 80)
  access.net.transmit(answer, 0, answer.length)
  await until(() => atA?.length === 1, 'an untagged frame of the access port')
  want((atA?.[0]?.vlan ?? 0) === 5, `the access port's frame came with tag ${atA?.[0]?.vlan}`)
  return {
    did: 'sent frames of VLAN 5, 6 and 4094 from a trunk of 5 and 4094, one of 6 from a trunk of 6, one from an access port of 5',
    saw: "the other trunk got 5 and 4094 as they were, the access port 5 without tag; 6 was dropped at the sender's port; the access port's frame came with tag 5",
  }
}
