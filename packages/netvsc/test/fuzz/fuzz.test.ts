import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import { SeededRandom } from '@bis/hyperv-types'
import { afterAll, describe, expect, it } from 'vitest'
import { address, broadcast, frameOf, until } from '../support/guests.ts'
import { NEVER, pair, TamperedAdapter } from '../support/loopback.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** Messages each way, so many to a session: most of them meet one that is under way. */
const MESSAGES = fuzzRuns(100_000)
const SESSION = 2000
const SEED = fuzzSeed % 2 ** 31
const LIMIT = fuzzTimeout(120_000)
const WORDS = [
  0, 1, 2, 4, 8, 11, 12, 36, 44, 107, 108, 128, 129, 134, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
]
const SECTION_BYTES = 1808
const RECEIVE_BUFFER = 0xcafe
const XFER_PAGES = 7
const GPA_DIRECT = 9
const RNDIS_PACKET = 107
const NO_SECTION = 0xffff_ffff
/** A frame of 60 bytes behind one record: what the words of a good message are. */
const GOOD_PACKET = [1, 120, 52, 60, 0, 0, 0, 36, 16, 0, 0, 16, 0, 12, 0]

function word(random: SeededRandom): number {
  return random.below(4) === 0 ? random.below(2 ** 32 - 1) : (WORDS[random.below(WORDS.length)] ?? 0)
}

/** Nothing but random words, or a good message of which some words were changed. */
function writeMessage(view: DataView, at: number, random: SeededRandom): void {
  if (random.below(3) === 0) {
    for (let k = 0; k < 24; k++) view.setUint32(at + k * 4, word(random), true)
    view.setUint32(at, [1, 1, 4, 5, 2, 3, 8, word(random)][random.below(8)] ?? 1, true)
    if (random.below(2) === 0) view.setUint32(at + 4, 20 + random.below(100), true)
    return
  }
  GOOD_PACKET.forEach((value, k) => {
    view.setUint32(at + k * 4, value, true)
  })
  view.setUint32(at + 48, random.below(12), true)
  for (let k = random.below(3); k > 0; k--)
    view.setUint32(at + random.below(15) * 4, random.below(2) === 0 ? random.below(200) : word(random), true)
}

function nvspMessage(random: SeededRandom, types: readonly number[]): Uint8Array {
  const data = new DataView(new ArrayBuffer(8 * (2 + random.below(5))))
  for (let at = 0; at < data.byteLength; at += 4) data.setUint32(at, word(random), true)
  const packet = random.below(3) !== 0
  data.setUint32(0, packet ? RNDIS_PACKET : (types[random.below(types.length)] ?? 0), true)
  if (packet && random.below(4) !== 0) data.setUint32(8, NO_SECTION, true)
  if (packet && random.below(4) !== 0) data.setUint32(12, 0, true)
  return new Uint8Array(data.buffer)
}

describe(`seed ${SEED}`, () => {
  const seen = { toGuest: 0, toHost: 0, framesToGuest: 0, framesToHost: 0 }
  afterAll(() => {
    fuzzCases('hostile messages of a network host', seen.toGuest)
    fuzzCases('hostile messages of a network guest', seen.toHost)
  })

  it(
    '[ND-09] the guest lives through any messages of a host, and starts again with a good one',
    async () => {
      const random = new SeededRandom(SEED)
      const host = new TamperedAdapter()
      for (; seen.toGuest < MESSAGES; seen.toGuest += SESSION) {
        const made = pair(host, { watchdogMs: 0 })
        await made.hn.attach(NEVER)
        made.hn.receive((frames, count) => {
          for (let i = 0; i < count; i++) {
            const frame = frames[i]
            if (frame === undefined || frame.offset + frame.length > frame.bytes.length)
              throw new Error('beyond the end')
            seen.framesToGuest++
          }
        })
        const channel = host.channels[0]
        const buffer = made.memory.bytesAt((channel?.gpadl(1)?.pfns[0] ?? 0) * 4096, 2 ** 20)
        const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
        for (let i = 0; i < SESSION; i++) {
          const section = random.below(500) * SECTION_BYTES
          writeMessage(view, section, random)
          const count = random.below(8) === 0 ? random.below(4) : 1
          const header = new DataView(new ArrayBuffer(8 + count * 8))
          header.setUint16(0, random.below(16) === 0 ? random.below(65_536) : RECEIVE_BUFFER, true)
          header.setUint32(4, random.below(16) === 0 ? word(random) : count, true)
          for (let k = 0; k < count; k++) {
            header.setUint32(8 + k * 8, random.below(8) === 0 ? word(random) : SECTION_BYTES, true)
            header.setUint32(12 + k * 8, random.below(8) === 0 ? word(random) : section, true)
          }
          const type = [XFER_PAGES, XFER_PAGES, XFER_PAGES, XFER_PAGES, 6, 11, GPA_DIRECT, 0][random.below(8)] ?? 0
          const data = nvspMessage(random, [1, 102, 105, 128, 129, 133, 134, 200])
          const ranges = type === XFER_PAGES ? new Uint8Array(header.buffer) : undefined
          channel?.send(
            type,
            random.below(2),
            random.below(600),
            random.below(4),
            ranges,
            ranges?.length ?? 0,
            data,
            0,
            data.length,
          )
          if (i % 16 === 0) await turn()
        }
        await turn()
        expect(made.hn.counters.protocolErrors).toBeGreaterThan(SESSION / 10)
        await made.hn.detach()
        await made.rescind()
        expect(made.pages.allocatedPages).toBe(0)
      }
      expect(seen.framesToGuest).toBeGreaterThan(MESSAGES / 100)
      const again = pair(host)
      await again.hn.attach(NEVER)
      expect(again.hn.transmit(frameOf(broadcast, address(1)), 0, 60)).toBe(0)
    },
    LIMIT,
  )

  it(
    '[NC-09] the host lives through any messages of a guest, and serves the next',
    async () => {
      const random = new SeededRandom(SEED + 1)
      const host = new TamperedAdapter()
      const { counters } = host.adapter
      for (; seen.toHost < MESSAGES; seen.toHost += SESSION) {
        const made = pair(host)
        await made.hn.attach(NEVER)
        const run = made.pages.allocate(4)
        for (let i = 0; i < SESSION; i++) {
          writeMessage(run.view, 0, random)
          const header = new DataView(new ArrayBuffer(24))
          header.setUint32(4, random.below(16) === 0 ? word(random) : 1, true)
          header.setUint32(
            8,
            random.below(4) === 0 ? (random.below(2) === 0 ? word(random) : 20 + random.below(4000)) : 120,
            true,
          )
          header.setUint32(12, random.below(16) === 0 ? word(random) : 0, true)
          header.setUint32(16, random.below(16) === 0 ? word(random) : run.pfn, true)
          const type =
            [GPA_DIRECT, GPA_DIRECT, GPA_DIRECT, GPA_DIRECT, 6, 6, 11, XFER_PAGES][random.below(8)] ?? GPA_DIRECT
          const types = i < SESSION / 2 ? [1, 100, 101, 104, 125, 131, 135, 200] : [1, 100, 103, 106, 129, 133]
          const data = nvspMessage(random, types)
          const extra = type === GPA_DIRECT ? new Uint8Array(header.buffer) : undefined
          made.channel.send(type, random.below(2), i + 1, 5, extra, extra?.length ?? 0, data, 0, data.length)
          if (i % 16 === 0) await turn()
        }
        await made.channel.close()
        made.hn.detach().catch(() => {})
        await made.rescind()
      }
      seen.framesToHost = counters.txFrames
      expect(seen.framesToHost).toBeGreaterThan(MESSAGES / 100)
      const again = pair(host)
      await again.hn.attach(NEVER)
      const sent = counters.txFrames
      again.hn.transmit(frameOf(broadcast, address(1)), 0, 60)
      await until(() => counters.txFrames > sent, 'a frame')
    },
    LIMIT,
  )
})
