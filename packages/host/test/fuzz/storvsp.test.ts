import type { HostChannelHandlers } from '@bis/hyperv-types'
import { expect, it } from 'vitest'
import { diskUnit, hostRelease, RamDisk, scsiController } from '../../src/index.ts'
import { decodeAnswer, FakeChannel, packetOf, range, STATUS_NAMES, srbPacket, vstor } from '../support/fake-channel.ts'

const PACKETS = 120_000
const SEED = 20_141_114

/** A small generator that repeats itself from its seed. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const INIT = [vstor(7), vstor(9, 0x0602), vstor(10), vstor(8)]

it(`[HH-05][HH-10] survives ${PACKETS} packets of every kind of nonsense, and a second guest works on`, async () => {
  const random = generator(SEED)
  const settings = { release: hostRelease('2022'), instanceId: 'a' }
  const disk = new RamDisk({ sizeBytes: 1 << 20 })
  const make = (): [FakeChannel, HostChannelHandlers] => {
    const controller = scsiController(settings)
    controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(disk, settings))
    const channel = new FakeChannel()
    const handlers = controller.openChannel(channel)
    if (handlers === undefined) throw new Error('refused')
    for (const data of INIT) handlers.onPacket(packetOf({ data }))
    return [channel, handlers]
  }
  const [channel, handlers] = make()
  const [otherChannel, otherHandlers] = make()
  const fill = (bytes: Uint8Array): Uint8Array => bytes.map(() => random(256))
  for (let n = 0; n < PACKETS; n++) {
    channel.sent = []
    const low = n + 1
    const operation = random(4) === 0 ? random(20) : 3
    let data = srbPacket([...fill(new Uint8Array(16))], {
      path_id: random(3),
      target_id: random(3),
      lun: random(3),
      cdb_length: random(20),
      sense_info_length: random(256),
      data_in: random(4),
      data_transfer_length: random(3) === 0 ? random(2 ** 32) : random(20_000),
    })
    new DataView(data.buffer).setUint32(0, operation, true)
    if (random(3) > 0) data[28] = [0x28, 0x2a, 0x12, 0x42, 0x93, 0xa0, 0x9e, 0x5a][random(8)] ?? 0
    if (random(8) === 0) data = fill(data)
    const shape = random(8)
    if (shape === 0) data = data.subarray(0, random(65))
    if (shape === 1) {
      const long = new Uint8Array(64 + random(400))
      long.set(data)
      data = long
    }
    const pfns = Array.from({ length: random(6) }, () => (random(10) === 0 ? random(2 ** 32) * 2 ** 16 : random(70)))
    const header = range(
      random(3) === 0 ? random(2 ** 32) : random(20_000),
      random(5000),
      pfns,
      random(10) === 0 ? random(9) : 1,
    )
    const type = [6, 9, 9, 9, 9, 7, 11, random(65_536)][random(8)] ?? 9
    handlers.onPacket(packetOf({ type, low, data, ...(random(4) === 0 ? {} : { header }) }))
    const [answer] = channel.sent
    const { status, operation: answered } = decodeAnswer(
      answer ?? { type: 0, low: 0, high: 0, data: new Uint8Array(64) },
    )
    if (channel.sent.length !== 1 || answer?.low !== low || answered !== 1 || !STATUS_NAMES.has(status)) {
      throw new Error(`packet ${n} of seed ${SEED}: ${channel.sent.length} answers, status ${status.toString(16)}`)
    }
    if (n % 1000 !== 0) continue
    otherChannel.sent = []
    const read = srbPacket([0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0], { data_in: 1, data_transfer_length: 512 })
    otherHandlers.onPacket(packetOf({ type: 9, header: range(512, 0, [1]), data: read }))
    expect(otherChannel.sent.map((packet) => decodeAnswer(packet).srb)).toEqual([1])
  }
  expect(channel.failure).toBeUndefined()
}, 60_000)
