import type { HostChannelHandlers, VspPort } from '@bis/hyperv-types'
import { NtStatus, VstorOperation } from '@bis/hyperv-types/storage'
import { describe, expect, it } from 'vitest'
import type { PacketShape, SentPacket } from '../../test/support/fake-channel.ts'
import { decodeAnswer, FakeChannel, packetOf, range, srbPacket, vstor } from '../../test/support/fake-channel.ts'
import { hostRelease } from '../host-release.ts'
import type { DiskBackend } from '../scsi/backend.ts'
import { RamDisk } from '../scsi/ram-disk.ts'
import type { StorageController } from './controller.ts'
import { diskUnit, fibreChannelAdapter, ideDisk, scsiController } from './controllers.ts'

const { BEGIN_INITIALIZATION, END_INITIALIZATION, QUERY_PROTOCOL_VERSION, QUERY_PROPERTIES, CREATE_SUB_CHANNELS } =
  VstorOperation
const { EXECUTE_SRB, RESET_LUN, RESET_BUS, FCHBA_DATA, ENUMERATE_BUS } = VstorOperation
const settings = { release: hostRelease('2022'), instanceId: 'a' }
const ready = [
  vstor(BEGIN_INITIALIZATION),
  vstor(QUERY_PROTOCOL_VERSION, 0x0602),
  vstor(QUERY_PROPERTIES),
  vstor(END_INITIALIZATION),
]
const READ_ONE = [0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0]

class Bench {
  readonly controller: StorageController
  readonly channel: FakeChannel
  handlers: HostChannelHandlers
  offered: number[] = []

  constructor(controller = withDisk(), processorCount = 4, packets: readonly Uint8Array[] = ready) {
    this.controller = controller
    this.channel = new FakeChannel()
    const port: VspPort = {
      protocolVersion: 0x50003,
      processorCount,
      offerSubchannels: (count) => this.offered.push(count) > 0,
      revoke: async () => {},
    }
    controller.onOffered?.(port)
    this.handlers = this.open(this.channel)
    for (const data of packets) this.give({ data })
    this.channel.sent = []
  }

  open(channel: FakeChannel): HostChannelHandlers {
    const handlers = this.controller.openChannel(channel)
    if (handlers === undefined) throw new Error('refused')
    return handlers
  }

  /** Closes the primary channel and opens it again. */
  restart(): void {
    this.handlers.onClose()
    this.handlers = this.open(this.channel)
    this.channel.sent = []
  }

  /** Hands a packet over. @returns what was sent at once. */
  give(shape: PacketShape): SentPacket[] {
    const before = this.channel.sent.length
    this.handlers.onPacket(packetOf(shape))
    return this.channel.sent.slice(before)
  }

  status(data: Uint8Array): number | undefined {
    const [answer] = this.give({ data })
    return answer === undefined ? undefined : decodeAnswer(answer).status
  }

  io(cdb: readonly number[], fields: Parameters<typeof srbPacket>[1], header?: Uint8Array, size = 64) {
    const data = srbPacket(cdb, fields, size)
    const [answer] = this.give(header === undefined ? { data } : { type: 9, header, data })
    if (answer === undefined) throw new Error('no answer')
    return { ...decodeAnswer(answer), size: answer.data.length }
  }
}

function withDisk(backend: DiskBackend = new RamDisk({ sizeBytes: 1 << 20 })): StorageController {
  const controller = scsiController(settings)
  controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(backend, settings))
  return controller
}

/** A backend whose reads end when the test says so. */
class SlowDisk extends RamDisk {
  readonly waiting: (() => void)[] = []
  // @ts-expect-error a RAM disk is done at once, this one is not
  override read(offset: number, target: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(() => {
        super.read(offset, target)
        resolve()
      })
    })
  }
}

describe('the handshake', () => {
  it('[TG-01] is ready after the one legal order only, and usable after any other', () => {
    const steps: [string, Uint8Array][] = [
      ['begin', vstor(BEGIN_INITIALIZATION)],
      ['version', vstor(QUERY_PROTOCOL_VERSION, 0x0602)],
      ['badVersion', vstor(QUERY_PROTOCOL_VERSION, 0x0700)],
      ['properties', vstor(QUERY_PROPERTIES)],
      ['end', vstor(END_INITIALIZATION)],
      ['subchannels', vstor(CREATE_SUB_CHANNELS, 1)],
      ['execute', srbPacket([0x00])],
      ['reset', vstor(RESET_BUS)],
    ]
    const legal = ['begin', 'version', 'properties', 'end']
    const bench = new Bench(scsiController(settings), 4, [])
    for (let n = 0; n < steps.length ** 5; n++) {
      bench.restart()
      let reached = 0
      for (let depth = 0, rest = n; depth < 5; depth++, rest = Math.floor(rest / steps.length)) {
        const [name, data] = steps[rest % steps.length] ?? ['', ready[0] as Uint8Array]
        const status = bench.status(data)
        const isNext = reached < 4 && name === legal[reached]
        if (isNext) reached++
        const isReady = reached === 4 && !isNext
        const isExecute = name === 'execute' && isReady
        const isAllowed = isNext || (isReady && name === 'reset') || (reached >= 3 && name === 'subchannels')
        let expected: number = NtStatus.INVALID_DEVICE_STATE
        if (isExecute) expected = NtStatus.DEVICE_DOES_NOT_EXIST
        else if (isAllowed) expected = NtStatus.SUCCESS
        else if (name === 'badVersion' && reached === 1) expected = NtStatus.REVISION_MISMATCH
        if (status !== expected) expect([n, depth, name, status]).toEqual([n, depth, name, expected])
      }
      if (bench.controller.ready !== (reached === 4)) expect([n, bench.controller.phase]).toEqual([n, reached])
    }
  }, 60_000)

  it.each([
    ['2008r2', 0x0402, 48],
    ['2012', 0x0501, 64],
    ['2012r2', 0x0600, 64],
    ['2016', 0x0602, 64],
    ['2025', 0x0602, 64],
  ] as const)('of %s speaks %i at most, and answers in the size it was asked in', (name, newest, size) => {
    const controller = scsiController({ release: hostRelease(name), instanceId: 'a' })
    const bench = new Bench(controller, 4, [])
    expect(bench.status(vstor(BEGIN_INITIALIZATION, 0, 48))).toBe(0)
    const refused = [0x0602, 0x0600, 0x0501, 0x0402, 0x0200].filter((version) => version > newest)
    for (const version of refused) {
      expect(bench.status(vstor(QUERY_PROTOCOL_VERSION, version))).toBe(NtStatus.REVISION_MISMATCH)
    }
    const [answer] = bench.give({ data: vstor(QUERY_PROTOCOL_VERSION, newest, size) })
    expect([answer?.data.length, answer?.data[12], answer?.data[13]]).toEqual([size, newest & 0xff, newest >>> 8])
    const [properties] = bench.give({ data: vstor(QUERY_PROPERTIES, 0, size) })
    const view = new DataView(properties?.data.buffer ?? new ArrayBuffer(64))
    expect(view.getUint32(12 + 12, true)).toBe(256 * 1024)
    expect(view.getUint16(12 + 4, true)).toBe(newest >= 0x0501 ? 3 : 0)
    expect(view.getUint32(12 + 8, true)).toBe(newest >= 0x0501 ? 1 : 0)
    expect(controller.version).toBe(newest)
  })

  it('offers sub-channels up to what it told, on the primary channel only', () => {
    const bench = new Bench()
    expect(bench.status(vstor(CREATE_SUB_CHANNELS, 4))).toBe(NtStatus.INVALID_PARAMETER)
    expect(bench.status(vstor(CREATE_SUB_CHANNELS, 3))).toBe(0)
    expect(bench.offered).toEqual([3])
    const sub = new FakeChannel(1)
    const handlers = bench.open(sub)
    handlers.onPacket(packetOf({ data: vstor(CREATE_SUB_CHANNELS, 1) }))
    handlers.onPacket(packetOf({ data: srbPacket([0x00]) }))
    const answers = sub.sent.map((packet) => decodeAnswer(packet).status)
    expect(answers).toEqual([NtStatus.INVALID_DEVICE_STATE, 0])
    expect(bench.controller.openChannel(new FakeChannel(1))).toBeUndefined()
  })

  it('starts again when the primary channel is closed', async () => {
    const bench = new Bench()
    await bench.handlers.onClose()
    expect([bench.controller.phase, bench.controller.version]).toEqual(['begin', 0])
    expect(bench.controller.openChannel(new FakeChannel(1))).toBeUndefined()
    const again = bench.open(bench.channel)
    again.onPacket(packetOf({ data: srbPacket([0x00]) }))
    expect(bench.channel.sent.map((packet) => decodeAnswer(packet).status)).toEqual([NtStatus.INVALID_DEVICE_STATE])
  })
})

describe('requests', () => {
  it('[TG-07] whose data cannot be used end in a status, and touch nothing', () => {
    const bench = new Bench()
    const pages = bench.channel.memory.byteLength / 4096
    const cases: [string, Uint8Array | undefined, number][] = [
      ['no range', undefined, 512],
      ['no range in the header', new Uint8Array(0), 512],
      ['two ranges', range(512, 0, [1], 2), 512],
      ['no page', range(512, 0, []), 512],
      ['too few pages', range(8192, 1, [1, 2]), 8192],
      ['shorter than the transfer', range(511, 0, [1]), 512],
      ['an offset beyond the page', range(512, 4096, [1, 2]), 512],
      ['a page beyond memory', range(512, 0, [pages]), 512],
      ['a page at 2^52', range(512, 0, [2 ** 52]), 512],
      ['the last page there can be', range(512, 0, [2 ** 53]), 512],
      ['the second page beyond memory', range(8192, 0, [1, pages]), 8192],
      ['the longest transfer there can be', range(0xffff_ffff, 0, [1]), 0xffff_ffff],
    ]
    for (const [what, header, length] of cases) {
      const answer = bench.io(READ_ONE, { data_in: 1, data_transfer_length: length }, header)
      expect([what, answer.srb, answer.scsi, answer.transferred]).toEqual([what, 0x86, 2, 0])
    }
    expect(bench.io(READ_ONE, { cdb_length: 17, data_in: 1, data_transfer_length: 512 }, range(512, 0, [1])).srb).toBe(
      0x86,
    )
    expect(bench.channel.memory.bytesAt(0, bench.channel.memory.byteLength).every((byte) => byte === 0)).toBe(true)
  })

  it('move data in place, over pages in any order, from any offset', () => {
    const disk = new RamDisk({ sizeBytes: 1 << 20 })
    const content = Uint8Array.from({ length: 24 * 512 }, (_, i) => i ^ (i >> 7))
    disk.write(0, content)
    const bench = new Bench(withDisk(disk))
    const { memory } = bench.channel
    const shapes: [number, number[]][] = [
      [0, [5, 6, 7]],
      [512, [5, 6, 7, 8]],
      [100, [9, 3, 20, 1]],
      [0, [2, 9, 4]],
      [4095, [1, 2, 3, 4]],
      [0, [7, 8, 9, 60, 61, 62]],
    ]
    for (const [offset, pfns] of shapes) {
      memory.bytesAt(0, memory.byteLength).fill(0xee)
      const header = range(content.length, offset, pfns)
      const answer = bench.io([0x28, 0, 0, 0, 0, 0, 0, 0, 24, 0], { data_in: 1, data_transfer_length: 12288 }, header)
      expect([answer.srb, answer.transferred]).toEqual([1, 12288])
      const back = pfns.flatMap((pfn) => [...memory.bytesAt(pfn * 4096, 4096)]).slice(offset, offset + 12288)
      expect(Uint8Array.from(back)).toEqual(content)
      const touched = memory.bytesAt(0, memory.byteLength).reduce((sum, byte) => sum + (byte === 0xee ? 0 : 1), 0)
      expect(touched).toBeLessThanOrEqual(12288)
      const written = bench.io(
        [0x2a, 0, 0, 0, 0, 100, 0, 0, 24, 0],
        { data_in: 0, data_transfer_length: 12288 },
        header,
      )
      expect([written.srb, written.transferred]).toEqual([1, 12288])
      const copy = new Uint8Array(12288)
      disk.read(100 * 512, copy)
      expect(copy).toEqual(content)
    }
  })

  it('answer in the size of the request, with no more sense than there is room for', () => {
    const bench = new Bench()
    const bad = [0xff]
    expect(bench.io(bad, { sense_info_length: 18 }, undefined, 48)).toMatchObject({
      size: 48,
      senseLength: 18,
      sense: '5/20/00',
    })
    expect(bench.io(bad, { sense_info_length: 20 })).toMatchObject({ size: 64, senseLength: 18, srb: 0x86 })
    expect(bench.io(bad, { sense_info_length: 4 })).toMatchObject({ senseLength: 4 })
    expect(bench.io([0x00], {})).toMatchObject({ size: 64, senseLength: 0, srb: 1, status: 0 })
  })

  it('end in any order, and hold the ring up when there is no room for answers', async () => {
    const disk = new SlowDisk({ sizeBytes: 1 << 20 })
    const bench = new Bench(withDisk(disk))
    const { channel } = bench
    const give = (low: number): void => {
      const data = srbPacket(READ_ONE, { data_in: 1, data_transfer_length: 512 })
      bench.give({ type: 9, low, high: 7, header: range(512, 0, [low]), data })
    }
    for (let id = 1; id <= 3; id++) give(id)
    disk.waiting[2]?.()
    await undefined
    await undefined
    await undefined
    expect(channel.sent.map(({ low, high, type }) => [low, high, type])).toEqual([[3, 7, 11]])
    channel.full = true
    disk.waiting[0]?.()
    await new Promise((resolve) => setTimeout(resolve))
    expect([channel.sent.length, channel.paused]).toEqual([1, true])
    channel.full = false
    bench.handlers.onWritable?.()
    expect([channel.sent.map(({ low }) => low), channel.paused]).toEqual([[3, 1], false])
    disk.waiting[1]?.()
    await new Promise((resolve) => setTimeout(resolve))
    expect(channel.sent.map(({ low }) => low)).toEqual([3, 1, 2])
  })

  it('[HH-07] stop being taken when too many are in hand', async () => {
    const disk = new SlowDisk({ sizeBytes: 1 << 20 })
    const bench = new Bench(withDisk(disk))
    let given = 0
    while (!bench.channel.paused && given < 5000) {
      const data = srbPacket(READ_ONE, { data_in: 1, data_transfer_length: 512 })
      bench.give({ type: 9, low: ++given, header: range(512, 0, [1]), data })
    }
    expect(given).toBe(1024)
    disk.waiting[0]?.()
    await new Promise((resolve) => setTimeout(resolve))
    expect(bench.channel.paused).toBe(false)
  })

  it('[HH-08] are waited for when the channel closes, and not answered', async () => {
    const disk = new SlowDisk({ sizeBytes: 1 << 20 })
    const bench = new Bench(withDisk(disk))
    const data = srbPacket(READ_ONE, { data_in: 1, data_transfer_length: 512 })
    bench.give({ type: 9, header: range(512, 0, [1]), data })
    let closed = false
    const closing = Promise.resolve(bench.handlers.onClose()).then(() => {
      closed = true
    })
    await new Promise((resolve) => setTimeout(resolve))
    expect(closed).toBe(false)
    disk.waiting[0]?.()
    await closing
    expect(bench.channel.sent).toEqual([])
  })

  it('tell of disks that come and go, once the guest is ready', () => {
    const bench = new Bench()
    bench.controller.target.attach({ path: 0, target: 0, lun: 5 }, diskUnit(new RamDisk({ sizeBytes: 4096 }), settings))
    expect(bench.channel.sent.map((packet) => [packet.type, packet.low, decodeAnswer(packet).operation])).toEqual([
      [6, 0, ENUMERATE_BUS],
    ])
    bench.channel.full = true
    bench.controller.target.detach({ path: 0, target: 0, lun: 5 })
    bench.channel.full = false
    bench.handlers.onWritable?.()
    expect(bench.channel.sent).toHaveLength(2)
    const old = new Bench(withDisk(), 1, [
      ready[0],
      vstor(QUERY_PROTOCOL_VERSION, 0x0200),
      ready[2],
      ready[3],
    ] as Uint8Array[])
    old.controller.target.detach({ path: 0, target: 0, lun: 0 })
    expect(old.channel.sent).toEqual([])
  })

  it('are told of resets, which end at once', () => {
    const bench = new Bench()
    expect(bench.status(vstor(RESET_LUN))).toBe(0)
    expect(bench.io([0x00], {})).toMatchObject({ srb: 0x84, sense: '6/29/00' })
    expect(bench.status(vstor(RESET_BUS))).toBe(0)
    expect(bench.io([0x00], {})).toMatchObject({ srb: 0x84, sense: '6/29/02' })
    expect(bench.io([0x00], {})).toMatchObject({ srb: 1 })
  })
})

describe('[SR-05] a controller that is saved', () => {
  it('finishes what is in hand, keeps what found no room, and goes on elsewhere', async () => {
    const disk = new SlowDisk({ sizeBytes: 1 << 20 })
    const bench = new Bench(withDisk(disk))
    const data = srbPacket(READ_ONE, { data_in: 1, data_transfer_length: 512 })
    for (const low of [5, 6]) bench.give({ type: 9, low, header: range(512, 0, [1]), data })
    const saving = bench.handlers.onSave?.()
    disk.waiting[0]?.()
    await new Promise((resolve) => setTimeout(resolve))
    expect(bench.channel.sent.map(({ low }) => low)).toEqual([5])
    bench.channel.full = true
    disk.waiting[1]?.()
    const saved: unknown = JSON.parse(JSON.stringify(await saving))
    expect(saved).toMatchObject({ phase: 'ready', version: 0x0602, answers: [[6, 0, expect.any(Array)]] })

    const other = withDisk()
    const channel = new FakeChannel()
    channel.restored = saved
    const handlers = other.openChannel(channel)
    expect(channel.sent.map(({ type, low }) => [type, low])).toEqual([
      [11, 6],
      [6, 0],
    ])
    handlers?.onPacket(packetOf({ data: srbPacket([0x00]) }))
    expect(channel.sent.map((packet) => decodeAnswer(packet).srb).at(-1)).toBe(1)
  })

  it('[HH-11] takes no state that it would not have written', () => {
    const good = { phase: 'ready', version: 0x0602, answers: [] }
    const bad: unknown[] = [
      null,
      7,
      'ready',
      {},
      { ...good, phase: 'somewhere' },
      { ...good, version: 0x0900 },
      { ...good, version: '6.2' },
      { ...good, phase: 'begin' },
      { ...good, answers: {} },
      { ...good, answers: [[1, 2]] },
      { ...good, answers: [[1, 2, [1, 2, 3]]] },
      { ...good, answers: [[-1, 0, new Array<number>(64).fill(0)]] },
      { ...good, answers: [[1, 0, new Array<number>(64).fill(256)]] },
      { ...good, answers: new Array<unknown>(5000).fill([1, 0, new Array<number>(64).fill(0)]) },
    ]
    for (const state of bad) {
      const channel = new FakeChannel()
      channel.restored = state
      expect([state, withDisk().openChannel(channel)]).toEqual([state, undefined])
    }
    const channel = new FakeChannel()
    channel.restored = good
    expect(withDisk().openChannel(channel)).toBeDefined()
  })
})

describe('the other controllers', () => {
  it('an IDE disk is at its own address whatever path the guest names', () => {
    const controller = ideDisk({
      release: settings.release,
      channel: 1,
      device: 0,
      backend: new RamDisk({ sizeBytes: 1 << 20 }),
    })
    expect(controller.offer.instanceId).toBe('00000001-0000-8899-0000-000000000000')
    expect([...(controller.offer.userDefined ?? []).slice(0, 12)]).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0])
    const bench = new Bench(controller)
    for (const path_id of [0, 1, 9]) expect(bench.io([0x00], { path_id }).srb).toBe(1)
    expect(bench.io([0x00], { target_id: 1 }).srb).toBe(0x20)
    const luns = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0]
    const report = (path_id: number) =>
      bench.io(luns, { path_id, data_in: 1, data_transfer_length: 64 }, range(64, 0, [1])).transferred
    expect([report(0), report(1)]).toEqual([8, 16])
    expect(bench.status(vstor(CREATE_SUB_CHANNELS, 1))).toBe(NtStatus.INVALID_PARAMETER)
  })

  it('[ST-18] a Fibre Channel adapter tells its world-wide names', () => {
    const names = {
      port: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0, 1),
      node: Uint8Array.of(0xc0, 3, 0xff, 0, 0, 0, 0xff, 0xff),
    }
    const bench = new Bench(fibreChannelAdapter({ ...settings, names }), 4, ready.slice(0, 3))
    const [answer] = bench.give({ data: vstor(FCHBA_DATA) })
    expect([...(answer?.data.subarray(0, 48) ?? [])]).toEqual([
      ...[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[1, 0, 0, 0],
      ...names.port,
      ...names.node,
      ...new Array<number>(16).fill(0),
    ])
    expect(() => fibreChannelAdapter({ ...settings, names: { ...names, port: new Uint8Array(7) } })).toThrow(/8/)
    expect(new Bench(withDisk(), 4, ready.slice(0, 3)).status(vstor(FCHBA_DATA))).toBe(NtStatus.INVALID_DEVICE_STATE)
  })

  it('answers no packet that asks for no answer', () => {
    const bench = new Bench()
    expect(bench.give({ flags: 0, data: srbPacket([0x00]) })).toEqual([])
    expect(bench.give({ flags: 0, data: vstor(EXECUTE_SRB + 100) })).toEqual([])
  })
})
