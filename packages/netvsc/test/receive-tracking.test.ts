import { describe, expect, it } from 'vitest'
import { address, broadcast, frameOf, Network, until } from './support/guests.ts'
import { NEVER, pair, TamperedAdapter } from './support/loopback.ts'
import { segment } from './support/tcp.ts'

const CHANNELS = 4
const SECTION_BYTES = 1808
const HEADER_BYTES = 44
const XFER_PAGES = 7

describe('received sections', () => {
  it('[ND-10] are acknowledged on the channel they came on, whatever ids the others use', async () => {
    const host = new TamperedAdapter('2022', CHANNELS)
    const made = pair(host, {}, CHANNELS)
    await made.hn.attach(NEVER)
    expect(made.hn.capabilities.queues).toBe(CHANNELS)
    const perQueue = new Array<number>(CHANNELS).fill(0)
    made.hn.receive((frames, count) => {
      for (const { queue } of frames.slice(0, count)) perQueue[queue] = (perQueue[queue] ?? 0) + 1
    })
    const buffer = made.memory.bytesAt((host.channels[0]?.gpadl(1)?.pfns[0] ?? 0) * 4096, 2 ** 20)
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    const message = new Uint8Array(40)
    new DataView(message.buffer).setUint32(0, 107, true)
    new DataView(message.buffer).setUint32(8, 0xffff_ffff, true)
    const { counters } = host.adapter
    const strange = counters.badCompletion
    for (let round = 1; round <= 50; round++) {
      for (let n = 0; n < CHANNELS; n++) {
        const section = (100 + n) * SECTION_BYTES
        const words = [1, HEADER_BYTES + 60, HEADER_BYTES - 8, 60, 0, 0, 0, 0, 0, 0, 0]
        words.forEach((value, k) => {
          view.setUint32(section + k * 4, value, true)
        })
        buffer.set(frameOf(broadcast, address(9)), section + HEADER_BYTES)
        const ranges = new DataView(new ArrayBuffer(16))
        ranges.setUint16(0, 0xcafe, true)
        ranges.setUint32(4, 1, true)
        ranges.setUint32(8, HEADER_BYTES + 60, true)
        ranges.setUint32(12, section, true)
        // One id for all, and none that the adapter has given: it counts each answer.
        host.channels[n]?.send(XFER_PAGES, 1, 500, 0, new Uint8Array(ranges.buffer), 16, message, 0, message.length)
      }
      await until(() => counters.badCompletion === strange + round * CHANNELS, 'an answer on each channel')
    }
    expect(perQueue).toEqual(new Array<number>(CHANNELS).fill(50))
    await made.hn.detach()
    await made.rescind()
  })

  it('[ND-10] all return to the host, over and over, by way of every channel', async () => {
    await using network = new Network()
    const settings = { receiveBufferBytes: 2 ** 18 }
    const a = await network.guest()
    const b = await network.guest({ settings, machine: { processorCount: CHANNELS } })
    const used = new Set<number>()
    let count = 0
    b.hn.receive((frames, n) => {
      for (const { queue } of frames.slice(0, n)) used.add(queue)
      count += n
    })
    // As many as fit at once, twenty times: a section that stays away would be missed.
    const burst = Math.floor(2 ** 18 / SECTION_BYTES) - 20
    for (let round = 1; round <= 20; round++) {
      for (let port = 1; port <= burst; port++) {
        const to = b.hn.settings.address
        const frame = segment({ to, from: a.hn.settings.address, version: 4, payload: 10, port: port + round })
        a.hn.transmit(frame, 0, frame.length)
      }
      await until(() => count === round * burst, `round ${round}`)
    }
    expect(used.size).toBe(CHANNELS)
    expect(b.adapter.counters.rxNoBuffer).toBe(0)
  })
})
