import { ManualClock } from '@bis/hyperv-types'
import { NDIS_6_30, RndisStatus } from '@bis/hyperv-types/network'
import { describe, expect, it } from 'vitest'
import { hostRelease } from '../../host-release.ts'
import { VirtualSwitch } from '../../vswitch/virtual-switch.ts'
import { NetworkAdapter } from '../network-adapter.ts'
import { RndisControl } from './rndis-control.ts'

const adapter = new NetworkAdapter({
  release: hostRelease('2022'),
  switch: new VirtualSwitch({ clock: new ManualClock() }),
  address: Uint8Array.of(0, 0x15, 0x5d, 0, 0, 1),
  instanceId: 'a',
})
adapter.session.ndisVersion = NDIS_6_30
const control = new RndisControl(adapter)

/** Status of a SET. */
function set(oid: number, data: Uint8Array): number {
  const bytes = new Uint8Array(28 + data.length)
  const view = new DataView(bytes.buffer)
  for (const [at, value] of [
    [0, 5],
    [4, bytes.length],
    [8, 1],
    [12, oid],
    [16, data.length],
    [20, 20],
  ] as const) {
    view.setUint32(at, value, true)
  }
  bytes.set(data, 28)
  const answer = control.answer(bytes, bytes.length)
  if (!(answer instanceof Uint8Array)) throw new Error(`no answer to ${oid}`)
  return new DataView(answer.buffer, answer.byteOffset).getUint32(12, true)
}

describe('requests of a guest', () => {
  it('[HH-01] for anything that is not on the list are refused, whatever they hold', () => {
    const taken = new Set<number>()
    for (let low = 0; low <= 0xffff; low++) {
      for (const high of [0x0001_0000, 0x0101_0000, 0xfc01_0000]) {
        if (set(high + low, new Uint8Array(4)) === RndisStatus.SUCCESS) taken.add(high + low)
      }
    }
    expect([...taken].sort((a, b) => a - b)).toEqual([0x0001_010e, 0x0001_010f, 0x0001_0118, 0x0001_0208])
  })

  it('[HH-02] with a list that is no whole number of addresses change nothing', () => {
    const list = Uint8Array.of(1, 0, 0x5e, 0, 0, 1)
    expect(set(0x0101_0103, list)).toBe(RndisStatus.SUCCESS)
    for (let length = 1; length < 400; length++) {
      if (length % 6 !== 0) expect(set(0x0101_0103, new Uint8Array(length).fill(1))).toBe(RndisStatus.INVALID_LENGTH)
    }
    expect(set(0x0101_0103, new Uint8Array(65 * 6).fill(1))).toBe(RndisStatus.MULTICAST_FULL)
    expect(adapter.multicast).toEqual([list])
  })

  it('[HH-03] with offsets that leave their block change nothing', () => {
    const edges = [0, 1, 3, 39, 40, 599, 600, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff]
    for (const tableAt of edges) {
      for (const keyAt of edges) {
        const block = new Uint8Array(600)
        const view = new DataView(block.buffer)
        block.set([0x89, 2])
        view.setUint32(8, 0x1701, true)
        view.setUint16(12, 512, true)
        view.setUint32(16, tableAt, true)
        view.setUint16(20, 40, true)
        view.setUint32(24, keyAt, true)
        const inside = tableAt <= 600 - 512 && keyAt <= 600 - 40
        adapter.scaling.reset()
        const status = set(0x0001_0204, block)
        if (!inside)
          expect([tableAt, keyAt, status, adapter.scaling.enabled]).toEqual([
            tableAt,
            keyAt,
            RndisStatus.INVALID_DATA,
            false,
          ])
      }
    }
  })
})
