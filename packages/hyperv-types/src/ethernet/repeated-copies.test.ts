import { expect, it } from 'vitest'
import { createBacking } from '../memory/backing.ts'
import { RepeatedCopies } from './repeated-copies.ts'

it('copies the same places again and others in between, from several memories', () => {
  const to = createBacking('wasm', 65_536).bytes
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength)
  const copies = new RepeatedCopies()
  const sources = [createBacking('shared', 65_536).bytes, new Uint8Array(65_536).subarray(100)]
  sources.forEach((bytes, n) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = i * 31 + n
  })
  for (let round = 0; round < 4; round++) {
    for (const from of sources) {
      for (const [at, fromAt, length] of [
        [0, 48, 1512],
        [2048, 1560, 1512],
        [4096, 560, 1511], // the slot of 48
        [7001, 48, 1512],
        [9000, 5, 128],
        [9200, 7, 61],
        [0, 0, from.length],
      ] as const) {
        to.fill(0)
        copies.copy(to, view, at, from, fromAt, length)
        expect(to.subarray(at, at + length)).toEqual(from.subarray(fromAt, fromAt + length))
        expect([to[at - 1] ?? 0, to[at + length] ?? 0]).toEqual([0, 0])
      }
      // What changed in the meantime is copied, not what was there.
      from.reverse()
    }
  }
})
