import { describe, expect, it } from 'vitest'
import { address, broadcast, frameOf, until } from '../support/guests.ts'
import { NEVER, pair, random, TamperedAdapter } from '../support/loopback.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** `BIS_FUZZ` times as many messages; each way 20,000 by default, 100,000 with 5. */
const ROUNDS = 20_000 * Number(process.env['BIS_FUZZ'] ?? 1)
const WORDS = [
  0, 1, 2, 4, 8, 11, 12, 36, 44, 107, 108, 128, 129, 134, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
]

for (const seed of [1, 2]) {
  describe(`seed ${seed}`, () => {
    it('[ND-09] the guest lives through any messages of a host, and starts again with a good one', async () => {
      const made = pair(new TamperedAdapter(), { watchdogMs: 0 })
      await made.hn.attach(NEVER)
      made.hn.receive((frames, count) => {
        for (let i = 0; i < count; i++) {
          const frame = frames[i]
          if (frame === undefined || frame.offset + frame.length > frame.bytes.length) throw new Error('beyond the end')
        }
      })
      const next = random(seed)
      const channel = made.host.channels[0]
      const pfn = channel?.gpadl(1)?.pfns[0] ?? 0
      const buffer = made.memory.bytesAt(pfn * 4096, 2 ** 20)
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
      const word = (): number => (next(4) === 0 ? next(2 ** 32 - 1) : (WORDS[next(WORDS.length)] ?? 0))
      for (let i = 0; i < ROUNDS / 2; i++) {
        const section = next(500) * 1808
        for (let k = 0; k < 16; k++) view.setUint32(section + k * 4, word(), true)
        if (next(2) === 0) view.setUint32(section, 1, true)
        const count = next(4)
        const header = new DataView(new ArrayBuffer(8 + count * 8))
        header.setUint16(0, next(8) === 0 ? next(65536) : 0xcafe, true)
        header.setUint32(4, next(8) === 0 ? word() : count, true)
        for (let k = 0; k < count; k++) {
          header.setUint32(8 + k * 8, next(4) === 0 ? word() : 1808, true)
          header.setUint32(12 + k * 8, next(4) === 0 ? word() : section, true)
        }
        const data = new DataView(new ArrayBuffer(8 * (1 + next(6))))
        for (let at = 0; at < data.byteLength; at += 4)
          data.setUint32(at, at === 0 && next(2) === 0 ? 107 : word(), true)
        const type = [7, 7, 7, 6, 11, 9, 0][next(7)] ?? 7
        const ranges = type === 7 ? new Uint8Array(header.buffer) : undefined
        channel?.send(
          type,
          next(2),
          next(600),
          next(4),
          ranges,
          ranges?.length ?? 0,
          new Uint8Array(data.buffer),
          0,
          data.byteLength,
        )
        if (i % 16 === 0) await turn()
      }
      await turn()
      expect(made.hn.counters.protocolErrors).toBeGreaterThan(ROUNDS / 20)
      await made.hn.detach()
      await made.rescind()
      expect(made.pages.allocatedPages).toBe(0)
      const again = pair(made.host)
      await again.hn.attach(NEVER)
      expect(again.hn.transmit(frameOf(broadcast, address(1)), 0, 60)).toBe(0)
    }, 60_000)

    it('[NC-09] the host lives through any messages of a guest, and serves the next', async () => {
      const made = pair()
      await made.hn.attach(NEVER)
      const next = random(seed)
      const run = made.pages.allocate(4)
      const word = (): number => (next(4) === 0 ? next(2 ** 32 - 1) : (WORDS[next(WORDS.length)] ?? 0))
      for (let i = 0; i < ROUNDS / 2; i++) {
        for (let k = 0; k < 24; k++) run.view.setUint32(k * 4, word(), true)
        run.view.setUint32(0, [1, 1, 4, 5, 2, 3, 8, word()][next(8)] ?? 1, true)
        if (next(2) === 0) run.view.setUint32(4, 20 + next(100), true)
        const header = new DataView(new ArrayBuffer(24))
        header.setUint32(4, next(8) === 0 ? word() : 1, true)
        header.setUint32(8, next(4) === 0 ? word() : 20 + next(4000), true)
        header.setUint32(12, next(8) === 0 ? word() : 0, true)
        header.setUint32(16, next(8) === 0 ? word() : run.pfn, true)
        const data = new DataView(new ArrayBuffer(8 * (1 + next(6))))
        data.setUint32(0, next(3) === 0 ? ([1, 100, 101, 104, 125, 129, 131, 133, 135, 200][next(10)] ?? 1) : 107, true)
        for (let at = 4; at < data.byteLength; at += 4) data.setUint32(at, word(), true)
        if (next(2) === 0 && data.byteLength >= 16) data.setUint32(8, 0xffff_ffff, true)
        const type = [9, 9, 9, 6, 6, 11, 7][next(7)] ?? 9
        const extra = type === 9 ? new Uint8Array(header.buffer) : undefined
        made.channel.send(
          type,
          next(2),
          i + 1,
          5,
          extra,
          extra?.length ?? 0,
          new Uint8Array(data.buffer),
          0,
          data.byteLength,
        )
        if (i % 16 === 0) await turn()
      }
      await made.channel.close()
      made.hn.detach().catch(() => {})
      await made.rescind()
      const again = pair(made.host)
      await again.hn.attach(NEVER)
      const { counters } = made.host.adapter
      const sent = counters.txFrames
      again.hn.transmit(frameOf(broadcast, address(1)), 0, 60)
      await until(() => counters.txFrames > sent, 'a frame')
    }, 60_000)
  })
}
