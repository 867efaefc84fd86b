import { initRing, NO_BYTES, ReadResult, scriptEngine } from '@bis/hyperv-types/ring'
import { describe, expect, it } from 'vitest'
import { pattern, payloadOf } from './bed.ts'
import type { WatchedRing } from './watched.ts'
import { RING_BYTES, watchedScript, watchedWasm } from './watched.ts'

const DATA_BYTES = RING_BYTES - 4096
const lengths = [0, 1, 8, 15, 16, 40, 63, 64, 65, 100, 200, 256, 260, 300, 777, 1500, 3000]

const kinds: readonly (() => WatchedRing | Promise<WatchedRing>)[] = [watchedScript, watchedWasm]

/** Calls `test` with a ring that holds one packet, beginning at every place of the data area. */
function everywhere(watched: WatchedRing, test: (payload: Uint8Array, start: number) => void): void {
  const control = new Uint32Array(watched.ring.buffer, watched.ring.byteOffset, 1024)
  for (let start = 0; start < DATA_BYTES; start += 8) {
    const payload = pattern(lengths[(start / 8) % lengths.length] ?? 0, start)
    watched.onRead = watched.onLook = () => {}
    initRing(watched.ring)
    control[0] = control[1] = start
    scriptEngine.producer(watched.ring).write(6, 1, start, ~start, NO_BYTES, 0, payload, 0, payload.length)
    test(payload, start)
  }
}

describe.each(kinds)('a reader whose every access is watched (%#)', (make) => {
  it('[RB-06] reads each byte of a packet once, and goes by what it read though it is changed at once', async () => {
    const watched = await make()
    const data = watched.ring.subarray(4096)
    everywhere(watched, (payload, start) => {
      const reads = new Uint8Array(DATA_BYTES)
      watched.onRead = (at, length) => {
        for (let i = at; i < at + length; i++) {
          reads[i] = (reads[i] ?? Number.NaN) + 1
          data[i] = ~(data[i] ?? 0)
        }
      }
      const consumer = watched.consumer()
      expect(consumer.next()).toBe(ReadResult.PACKET)
      const { packet } = consumer
      expect([packet.type, packet.flags, packet.transactionIdLow, packet.transactionIdHigh]).toEqual([
        6,
        1,
        start,
        ~start >>> 0,
      ])
      expect(payloadOf(packet).slice(0, payload.length)).toEqual(Array.from(payload))
      expect(Math.max(...reads), `reads of a byte of the packet at ${start}`).toBe(1)
      expect(reads.reduce((sum, count) => sum + count)).toBe(packet.length)
      expect(consumer.next()).toBe(ReadResult.EMPTY)
    })
  })

  it('[RB-05] reads nothing of a packet before it has seen it in the write index', async () => {
    const watched = await make()
    everywhere(watched, () => {
      let looked = false
      watched.onLook = () => {
        looked = true
      }
      watched.onRead = () => expect(looked).toBe(true)
      const consumer = watched.consumer()
      expect(consumer.next()).toBe(ReadResult.PACKET)
      looked = false
      expect(consumer.next()).toBe(ReadResult.EMPTY)
      expect(looked).toBe(true)
    })
  })
})
