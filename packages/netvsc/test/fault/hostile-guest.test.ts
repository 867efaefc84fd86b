import { PAGE_SIZE, SeededRandom } from '@bis/hyperv-types'
import { RangeList } from '@bis/hyperv-types/ring'
import { describe, expect, it } from 'vitest'
import { address, broadcast, frameOf, until } from '../support/guests.ts'
import type { Pair } from '../support/loopback.ts'
import { NEVER, pair } from '../support/loopback.ts'

/** A guest that writes its own messages over the driver's channel. */
async function raw(): Promise<{ made: Pair; send: Send; answers: Map<number, number[]> }> {
  const made = pair()
  await made.hn.attach(NEVER)
  const run = made.pages.allocate(32)
  const answers = new Map<number, number[]>()
  made.host.tamper = (packet) => {
    if (packet.type !== 11 || packet.high !== 9) return
    const status = packet.data.length >= 8 ? new DataView(packet.data.buffer).getUint32(4, true) : -1
    answers.set(packet.low, [...(answers.get(packet.low) ?? []), status])
    // The driver did not ask for it.
    return false
  }
  let id = 0
  const send: Send = (message, options = {}) => {
    run.bytes.set(message)
    const { split = message.length, nvs = 107, section = 0xffff_ffff, size = 0, type = 9 } = options
    const list = new RangeList(new Uint8Array(64))
    list.addRange(split, 0)
    for (let page = 0; page < Math.ceil(split / PAGE_SIZE); page++) list.addPfn(run.pfn + page)
    if (split < message.length) {
      list.addRange(message.length - split, split % PAGE_SIZE)
      list.addPfn(run.pfn + Math.floor(split / PAGE_SIZE))
    }
    const data = new DataView(new ArrayBuffer(40))
    data.setUint32(0, nvs, true)
    data.setUint32(8, section, true)
    data.setUint32(12, size, true)
    id++
    const header = type === 9 ? list.bytes : undefined
    made.channel.send(
      type,
      1,
      id,
      9,
      header,
      header === undefined ? 0 : list.length,
      new Uint8Array(data.buffer),
      0,
      40,
    )
    return id
  }
  return { made, send, answers }
}

type Send = (
  message: Uint8Array,
  options?: { split?: number; nvs?: number; section?: number; size?: number; type?: number },
) => number

/** PACKET messages, one behind the other. */
function message(count: number, change?: (view: DataView, at: number, k: number) => void): Uint8Array {
  const bytes = new Uint8Array(count * 104)
  const view = new DataView(bytes.buffer)
  for (let k = 0; k < count; k++) {
    const at = k * 104
    view.setUint32(at, 1, true)
    view.setUint32(at + 4, 104, true)
    view.setUint32(at + 8, 36, true)
    view.setUint32(at + 12, 60, true)
    bytes.set(frameOf(broadcast, address(1)), at + 44)
    change?.(view, at, k)
  }
  return bytes
}

describe('a guest that sends nonsense', () => {
  it('[ND-05] [NC-10] each bad packet fails once, each cause has its counter, and good ones go on', async () => {
    const { made, send, answers } = await raw()
    const { counters } = made.host.adapter
    const frames = counters.txFrames
    const cases: readonly (readonly [keyof typeof counters, () => number])[] = [
      ['badRndisLength', () => send(message(1, (view) => view.setUint32(4, 43, true)))],
      ['badRndisLength', () => send(message(1, (view) => view.setUint32(4, 0xffff_ffff, true)))],
      ['badFrame', () => send(message(1, (view) => view.setUint32(8, 0xffff_ff00, true)))],
      ['badFrame', () => send(message(1, (view) => view.setUint32(12, 0, true)))],
      ['badFrame', () => send(message(1, (view) => view.setUint32(12, 0xffff_ffff, true)))],
      ['badFrame', () => send(message(1, (view) => view.setUint32(16, 8, true)))],
      ['badPacketInfo', () => send(message(1, (view) => view.setUint32(32, 0xffff_fff0, true)))],
      ['splitHeader', () => send(message(1), { split: 20 })],
      ['badRange', () => send(new Uint8Array(0), { section: 5000, size: 64, type: 6 })],
      ['badRange', () => send(new Uint8Array(0), { section: 0, size: 6145, type: 6 })],
      ['badRange', () => send(new Uint8Array(0), { section: 0xffff_fffe, size: 0xffff_ffff, type: 6 })],
      ['badNvsp', () => send(new Uint8Array(0), { nvs: 200, type: 6 })],
      ['badNvsp', () => send(new Uint8Array(0), { nvs: 1, type: 6 })],
    ]
    for (const [cause, act] of cases) {
      const before = counters[cause]
      const good = send(message(1))
      await until(() => answers.has(good), 'the good one')
      const bad = act()
      await until(() => answers.has(bad), cause)
      expect([cause, counters[cause]]).toEqual([cause, before + 1])
      expect(answers.get(bad)).toHaveLength(1)
      expect(answers.get(good)).toEqual([1])
    }
    expect(counters.txFrames).toBe(frames + cases.length)
  })

  it('[ND-06] of a message whose k-th packet is bad nothing is sent, and it is answered once', async () => {
    const { made, send, answers } = await raw()
    const before = made.host.adapter.counters.txFrames
    for (let bad = 0; bad < 8; bad++) {
      const id = send(message(8, (view, at, k) => k === bad && view.setUint32(at + 12, 5, true)))
      await until(() => answers.has(id), 'the answer')
      expect(answers.get(id)).toEqual([2])
    }
    expect(made.host.adapter.counters.txFrames).toBe(before)
    const id = send(message(8))
    await until(() => answers.has(id), 'the answer')
    expect(made.host.adapter.counters.txFrames).toBe(before + 8)
  })

  it('[OF-02] [OF-03] a large send is judged by what is needed of it, and fails alone', async () => {
    const { made, send, answers } = await raw()
    const lso = (offset: number): Uint8Array => {
      const bytes = new Uint8Array(44 + 16 + 200)
      const view = new DataView(bytes.buffer)
      view.setUint32(0, 1, true)
      view.setUint32(4, bytes.length, true)
      view.setUint32(8, 52, true)
      view.setUint32(12, 200, true)
      view.setUint32(28, 36, true)
      view.setUint32(32, 16, true)
      view.setUint32(44, 16, true)
      view.setUint32(48, 2, true)
      view.setUint32(52, 12, true)
      view.setUint32(56, 100 | ((offset & 0x3ff) << 20), true)
      bytes.set(frameOf(broadcast, address(1), 200), 60)
      bytes.set([8, 0, 0x45], 72)
      bytes[60 + 34 + 12] = 0x50
      return bytes
    }
    for (const [offset, status] of [
      [34, 1],
      [0, 1],
      [13, 2],
      [33, 2],
      [181, 2],
      [255, 2],
      [256, 2],
      [1023, 2],
    ] as const) {
      const id = send(lso(offset))
      await until(() => answers.has(id), 'the answer')
      expect([offset, answers.get(id)]).toEqual([offset, [status]])
    }
    expect(made.host.channels[0]?.statistics.protocolErrors).toBe(0)
  })

  it('[NC-09] [NC-12] [OF-04] every OID with any data ends in a status', async () => {
    const made = pair()
    await made.hn.attach(NEVER)
    const { rndis } = made.hn.session ?? {}
    const random = new SeededRandom(1)
    const oids = [
      0x10106, 0x1010e, 0x10203, 0x10204, 0x1021b, 0x1010103, 0x101010a, 0xfc01020b, 0xfc01020c, 0xfc01020d, 0x12345,
    ]
    for (const oid of oids) {
      for (let length = 0; length <= 64; length += 3) {
        const data = Uint8Array.from({ length }, () => random.below(256))
        if (oid === 0xfc01020c) data.set([0x80, 1].slice(0, length))
        if (oid === 0x10204) data.set([0x89, 2].slice(0, length))
        const outcome = (work: Promise<unknown> | undefined): Promise<string> =>
          (work ?? Promise.resolve()).then(
            () => 'done',
            (error: { code: string }) => error.code,
          )
        expect(await outcome(rndis?.set(oid, data))).toMatch(/done|not-supported/)
        expect(await outcome(rndis?.query(oid, data))).toMatch(/done|not-supported/)
      }
    }
    expect(made.host.channels[0]?.statistics.protocolErrors).toBe(0)
  })
})
