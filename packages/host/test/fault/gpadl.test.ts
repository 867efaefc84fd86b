import type { HostChannel, HostGpadl } from '@bis/hyperv-types'
import { GuestMemory, PAGE_SIZE } from '@bis/hyperv-types'
import { encodeControlMessage, encodeGpaRanges } from '@bis/hyperv-types/vmbus'
import { describe, expect, it } from 'vitest'
import { hostGpadl } from '../../src/vmbus/guest-gpadl.ts'
import { bodies, EchoDevice, names, only, openMessage, TestGuest } from '../support/test-guest.ts'

const FAILURE = 0x8000_ffff
const CHANNEL = 1

async function connected(
  options: ConstructorParameters<typeof TestGuest>[0] = {},
): Promise<{ guest: TestGuest; device: EchoDevice }> {
  const guest = new TestGuest(options)
  const device = new EchoDevice()
  guest.server.offer(device)
  await guest.connect()
  return { guest, device }
}

const pages = (count: number, first = 256) => Array.from({ length: count }, (_, n) => first + n)
const onePage = encodeGpaRanges([{ byteCount: 4096, byteOffset: 0, pfns: [256] }])

interface Header {
  readonly channel?: number
  readonly buflen?: number
  readonly count?: number
  readonly list?: Uint8Array
}

function header(guest: TestGuest, { channel = CHANNEL, buflen, count = 1, list = onePage }: Header, handle = 7) {
  const init = {
    child_relid: channel,
    gpadl: handle,
    range_buflen: buflen ?? list.length,
    rangecount: count,
    range: list.slice(0, 216),
  }
  return guest.send('GPADL_HEADER', init)
}

const range = (byteCount: number, byteOffset: number, pfns: readonly number[]) => {
  const words = new DataView(new ArrayBuffer(8 + pfns.length * 8))
  words.setUint32(0, byteCount, true)
  words.setUint32(4, byteOffset, true)
  pfns.forEach((pfn, n) => {
    words.setBigUint64(8 + n * 8, BigInt(pfn), true)
  })
  return new Uint8Array(words.buffer)
}

describe('GPADL messages', () => {
  it('makes the GPADL of the sheet’s ring, byte by byte', async () => {
    const { guest } = await connected()
    for (let n = 2; n <= 5; n++) guest.server.offer(new EchoDevice(n))
    await guest.answers()
    const hex = '08 00 00 00 00 00 00 00 05 00 00 00 10 1e 0e 00 48 00 01 00 00 80 00 00 00 00 00 00'
    const message = new Uint8Array(92)
    message.set(hex.split(' ').map((byte) => Number.parseInt(byte, 16)))
    for (let n = 0; n < 8; n++) message[28 + n * 8 + 1] = 1
    guest.post(message)
    await guest.clock.run()
    const created = '0a 00 00 00 00 00 00 00 05 00 00 00 10 1e 0e 00 00 00 00 00'
    expect(guest.ports.messages[0]?.payload).toEqual(
      Uint8Array.from(created.split(' '), (byte) => Number.parseInt(byte, 16)),
    )
  })

  it.each([
    ['no ranges', { count: 0 }],
    ['more ranges than fit', { count: 2 }],
    ['a huge number of ranges', { count: 0xffff }],
    ['no list', { buflen: 0 }],
    ['a list shorter than a range', { buflen: 8 }],
    ['a list that is no multiple of 8', { buflen: 20 }],
    ['an empty range', { list: range(0, 0, [256]) }],
    ['an offset of a page', { list: range(4096, 4096, [256, 257]) }],
    ['an offset far beyond a page', { list: range(4096, 0xffff_ffff, [256, 257]) }],
    ['too few pages for its bytes', { list: range(4097, 0, [256]) }],
    ['too few pages for its offset', { list: range(4096, 1, [256]) }],
    ['four gigabytes in one page', { list: range(0xffff_ffff, 0, [256]) }],
    ['a page beyond memory', { list: range(4096, 0, [4 * 256]) }],
    ['a page at 2^32', { list: range(4096, 0, [2 ** 32]) }],
    ['a page at 2^52', { list: range(4096, 0, [2 ** 52]) }],
    ['the last page of all', { list: new Uint8Array([...range(4096, 0, []), ...new Uint8Array(8).fill(255)]) }],
    ['an unknown channel', { channel: 2 }],
    ['channel 0', { channel: 0 }],
    ['channel 2^32-1', { channel: 0xffff_ffff }],
  ] satisfies [string, Header][])(
    '[GM-10] [GM-07] answers a header with %s by a failure, and keeps nothing',
    async (_what, flaw) => {
      const { guest } = await connected()
      const created = only(await header(guest, flaw), 'GPADL_CREATED')
      expect(created).toEqual({
        child_relid: 'channel' in flaw ? flaw.channel : CHANNEL,
        gpadl: 7,
        creation_status: FAILURE,
      })
      expect(guest.server.channels()[0]?.gpadls).toBe(0)
      expect(guest.server.brokenInvariants()).toEqual([])
      // The handle is free for a good one.
      expect(only(await header(guest, {}), 'GPADL_CREATED').creation_status).toBe(0)
    },
  )

  it('[GM-10] ignores words behind the ranges, and bodies padded to the full message', async () => {
    const { guest } = await connected()
    const list = new Uint8Array(40)
    list.set(onePage)
    expect(only(await header(guest, { list }), 'GPADL_CREATED').creation_status).toBe(0)
    const long = encodeGpaRanges([{ byteCount: 30 * 4096, byteOffset: 0, pfns: pages(30) }])
    expect(await header(guest, { list: long }, 8)).toEqual([])
    const body = new Uint8Array(240).fill(0xee)
    body.set(encodeControlMessage('GPADL_BODY', { msgnumber: 5, gpadl: 8, pfn: long.slice(216) }, 0x5_0003))
    guest.post(body)
    expect(only(await guest.answers(), 'GPADL_CREATED').creation_status).toBe(0)
  })

  it('[GM-10] answers nothing to a body that belongs to no header', async () => {
    const { guest } = await connected()
    expect(await guest.send('GPADL_BODY', { msgnumber: 0, gpadl: 9, pfn: new Uint8Array(224) })).toEqual([])
    expect(guest.server.counters.violations['unknown-gpadl']).toBe(1)
  })

  it('[GM-10] refuses a handle that is taken, on this channel, and everywhere while it is being made', async () => {
    const { guest } = await connected()
    guest.server.offer(new EchoDevice(2))
    await guest.answers()
    await header(guest, {})
    expect(only(await header(guest, {}), 'GPADL_CREATED').creation_status).toBe(FAILURE)
    expect(only(await header(guest, { channel: 2 }), 'GPADL_CREATED').creation_status).toBe(0)
    const long = encodeGpaRanges([{ byteCount: 30 * 4096, byteOffset: 0, pfns: pages(30) }])
    expect(await header(guest, { list: long }, 8)).toEqual([])
    expect(only(await header(guest, { channel: 2 }, 8), 'GPADL_CREATED').creation_status).toBe(FAILURE)
    await guest.send('GPADL_BODY', { msgnumber: 0, gpadl: 8, pfn: long.slice(216) })
    expect(guest.server.channels()[0]?.gpadls).toBe(2)
  })

  it('takes lists of any length up to what 16 bits can tell', async () => {
    const guest = new TestGuest()
    guest.server.offer(new EchoDevice())
    await guest.connect()
    for (const count of [1, 26, 27, 54, 55, 700]) {
      const created = await guest.gpadl(CHANNEL, 0x1000 + count, pages(count))
      expect(only(created, 'GPADL_CREATED').creation_status).toBe(0)
    }
    const longest = Array.from({ length: 8190 }, (_, n) => 256 + (n % 700))
    expect(only(await guest.gpadl(CHANNEL, 0x9999, longest), 'GPADL_CREATED').creation_status).toBe(0)
  })

  it('[CL-11] leaves nothing of an unfinished GPADL behind, so that its handle can be used again', async () => {
    const long = encodeGpaRanges([{ byteCount: 60 * 4096, byteOffset: 0, pfns: pages(60) }])
    const endings: ((guest: TestGuest, revoke: () => Promise<void>) => Promise<unknown>)[] = [
      async (guest) => {
        await guest.send('UNLOAD', {})
        await guest.connect()
      },
      (guest) => guest.connect(),
      async (guest, revoke) => {
        void revoke()
        await guest.answers()
        await guest.send('RELID_RELEASED', { child_relid: CHANNEL })
        guest.server.offer(new EchoDevice(5))
        await guest.answers()
      },
      async (guest) => {
        guest.ports.root.partitionReset()
        await guest.connect()
      },
    ]
    for (const end of endings) {
      for (let messages = 1; messages <= 2; messages++) {
        const guest = new TestGuest()
        const port = guest.server.offer(new EchoDevice())
        await guest.connect()
        await header(guest, { list: long })
        if (messages === 2) await guest.send('GPADL_BODY', { msgnumber: 0, gpadl: 7, pfn: long.slice(216, 216 + 224) })
        await end(guest, () => port.revoke())
        expect(guest.server.brokenInvariants()).toEqual([])
        expect(only(await guest.gpadl(CHANNEL, 7, pages(60)), 'GPADL_CREATED').creation_status).toBe(0)
      }
    }
  })

  it('[HH-07] bounds pages, GPADLs and unfinished GPADLs of a guest, and only of that one', async () => {
    const quotas = { gpadlBytes: 64 * PAGE_SIZE, gpadls: 4, incompleteGpadls: 2 }
    const { guest } = await connected({ quotas })
    const created = async (handle: number, count: number) =>
      bodies(await guest.gpadl(CHANNEL, handle, pages(count)), 'GPADL_CREATED')[0]?.creation_status
    expect(await created(1, 65)).toBe(FAILURE)
    expect(await created(2, 60)).toBe(0)
    expect(await created(3, 5)).toBe(FAILURE)
    for (const handle of [4, 5, 6]) expect(await created(handle, 1)).toBe(0)
    expect(await created(7, 1)).toBe(FAILURE)
    await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: 2 })
    for (const handle of [4, 5, 6]) await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: handle })
    const unfinished = encodeGpaRanges([{ byteCount: 28 * 4096, byteOffset: 0, pfns: pages(28) }])
    expect(await header(guest, { list: unfinished }, 10)).toEqual([])
    expect(await header(guest, { list: unfinished }, 11)).toEqual([])
    expect(only(await header(guest, { list: unfinished }, 12), 'GPADL_CREATED').creation_status).toBe(FAILURE)
    expect(guest.server.brokenInvariants()).toEqual([])
  })

  it('[HH-07] is not impressed by a flood of them', async () => {
    const { guest } = await connected()
    let refused = 0
    for (let n = 0; n < 20_000; n++) {
      if (
        guest.post(
          encodeControlMessage(
            'GPADL_HEADER',
            { child_relid: 1, gpadl: n, range_buflen: 16, rangecount: 1, range: onePage },
            0x5_0003,
          ),
        ) !== 0
      ) {
        refused++
        n--
        await guest.clock.run()
      }
    }
    const answers = bodies(await guest.answers(), 'GPADL_CREATED')
    expect(refused).toBeGreaterThan(0)
    expect(answers.filter(({ creation_status }) => creation_status === 0).length).toBe(4096)
    expect(guest.server.channels()[0]?.gpadls).toBe(4096)
  })
})

describe('GPADL teardown', () => {
  it('[HH-04] asks the device first, and answers when it has let go', async () => {
    const { guest, device } = await connected()
    let release: () => void = () => {}
    device.gpadlTeardown = () =>
      new Promise<void>((resolve) => {
        release = resolve
      })
    await guest.gpadl(CHANNEL, 7, pages(2))
    expect(await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: 7 })).toEqual([])
    expect(await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: 7 })).toEqual([])
    expect(guest.server.counters.violations.unexpected).toBe(1)
    release()
    expect(only(await guest.answers(), 'GPADL_TORNDOWN').gpadl).toBe(7)
  })

  it('[CL-13] takes it before and after the close, and answers when the rings are free', async () => {
    const { guest } = await connected()
    const first = await guest.open(CHANNEL)
    expect(await guest.send('CLOSE_CHANNEL', { child_relid: CHANNEL })).toEqual([])
    expect(names(await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: first.handle }))).toEqual([
      'GPADL_TORNDOWN',
    ])
    const second = await guest.open(CHANNEL)
    expect(await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: second.handle })).toEqual([])
    expect(guest.server.counters.violations.unexpected).toBe(1)
    expect(names(await guest.send('CLOSE_CHANNEL', { child_relid: CHANNEL }))).toEqual(['GPADL_TORNDOWN'])
    expect(guest.server.brokenInvariants()).toEqual([])
  })

  it('[CL-10] [CL-13] makes and tears down GPADLs of a channel that it has revoked, until the guest releases it', async () => {
    const guest = new TestGuest()
    const device = new EchoDevice()
    const port = guest.server.offer(device)
    await guest.connect()
    const channel = await guest.open(CHANNEL)
    await guest.gpadl(CHANNEL, 5, pages(1))
    const long = encodeGpaRanges([{ byteCount: 30 * 4096, byteOffset: 0, pfns: pages(30) }])
    await header(guest, { list: long }, 6)
    const gone = port.revoke()
    expect(only(await guest.answers(), 'RESCIND_OFFER').child_relid).toBe(CHANNEL)

    // Sent by a guest that has not seen the rescind yet.
    await guest.send('GPADL_BODY', { msgnumber: 0, gpadl: 6, pfn: long.slice(216) }).then((answers) => {
      expect(only(answers, 'GPADL_CREATED').creation_status).toBe(0)
    })
    expect(only(await guest.gpadl(CHANNEL, 7, pages(2)), 'GPADL_CREATED').creation_status).toBe(0)
    expect(await guest.send('OPEN_CHANNEL', openMessage(CHANNEL, 7, 2))).toEqual([])
    expect(await guest.send('CLOSE_CHANNEL', { child_relid: CHANNEL })).toEqual([])
    for (const handle of [5, 6, 7, channel.handle]) {
      expect(
        only(await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: handle }), 'GPADL_TORNDOWN').gpadl,
      ).toBe(handle)
    }
    expect(await guest.send('RELID_RELEASED', { child_relid: CHANNEL })).toEqual([])
    await gone
    expect(only(await header(guest, {}), 'GPADL_CREATED').creation_status).toBe(FAILURE)
    expect(guest.server.counters.violations).toEqual({ 'bad-gpadl': 1 })
  })

  it('[CL-10] answers a teardown that was under way when the channel was revoked', async () => {
    const guest = new TestGuest()
    const device = new EchoDevice()
    let release: () => void = () => {}
    device.gpadlTeardown = () =>
      new Promise<void>((resolve) => {
        release = resolve
      })
    const port = guest.server.offer(device)
    await guest.connect()
    await guest.gpadl(CHANNEL, 7, pages(2))
    await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: 7 })
    const gone = port.revoke()
    expect(names(await guest.answers())).toEqual(['RESCIND_OFFER'])
    release()
    expect(names(await guest.answers())).toEqual(['GPADL_TORNDOWN'])
    await guest.send('RELID_RELEASED', { child_relid: CHANNEL })
    await gone
  })
})

describe('a GPADL as devices see it', () => {
  const memory = GuestMemory.allocate(2 ** 20, { kind: 'plain', gapBase: 2 ** 19 })
  const of = (...ranges: { byteCount: number; byteOffset: number; pfns: number[] }[]): HostGpadl => {
    const pageCount = ranges.reduce((sum, { pfns }) => sum + pfns.length, 0)
    return hostGpadl({ handle: 1, ranges, pageCount }, memory)
  }

  it('is one window when its pages follow each other in one region', () => {
    expect(of({ byteCount: 8192, byteOffset: 0, pfns: [4, 5] }).contiguous?.byteLength).toBe(8192)
    expect(of({ byteCount: 100, byteOffset: 4000, pfns: [4, 5] }).contiguous?.byteLength).toBe(100)
    expect(of({ byteCount: 8192, byteOffset: 0, pfns: [5, 4] }).contiguous).toBeUndefined()
    expect(of({ byteCount: 8192, byteOffset: 0, pfns: [127, 2 ** 20] }).contiguous).toBeUndefined()
    const two = of({ byteCount: 4096, byteOffset: 0, pfns: [4] }, { byteCount: 4096, byteOffset: 0, pfns: [5] })
    expect(two).toMatchObject({ rangeCount: 2, byteLength: 8192 })
    expect(two.contiguous).toBeUndefined()
    expect([...two.pfns]).toEqual([4, 5])
  })

  it('is found by its channel, and by the sub-channels of the same device', async () => {
    const guest = new TestGuest()
    const device = new EchoDevice()
    let channel: HostChannel | undefined
    const echo = device.openChannel
    device.openChannel = (opened) => {
      channel = opened
      return echo(opened)
    }
    guest.server.offer(device)
    await guest.connect()
    await guest.open(CHANNEL)
    await guest.gpadl(CHANNEL, 7, pages(3))
    expect(channel?.gpadl(7)).toMatchObject({ handle: 7, byteLength: 3 * 4096 })
    expect(channel?.gpadl(7)).toBe(channel?.gpadl(7))
    expect(channel?.gpadl(8)).toBeUndefined()
    await guest.send('GPADL_TEARDOWN', { child_relid: CHANNEL, gpadl: 7 })
    expect(channel?.gpadl(7)).toBeUndefined()
  })
})
