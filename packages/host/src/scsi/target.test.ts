import { Sense } from '@bis/hyperv-types/scsi'
import { describe, expect, it } from 'vitest'
import type { RunOptions } from '../../test/support/scsi.ts'
import {
  cdb10,
  cdb12,
  cdb16,
  diskTarget,
  GOOD,
  illegal,
  MIB,
  run,
  text,
  u16,
  u32,
  u64,
  view,
} from '../../test/support/scsi.ts'
import { DiskUnit } from './disk-unit.ts'
import { FaultyBackend } from './fault-injection.ts'
import { RamDisk } from './ram-disk.ts'
import { ScsiRequest } from './request.ts'
import { ScsiFault } from './scsi-fault.ts'
import { ScsiTarget } from './target.ts'

describe('a disk', () => {
  it('answers INQUIRY as Hyper-V does', async () => {
    const answer = await run(diskTarget(), [0x12, 0, 0, 0, 104, 0], { data: 104 })
    expect(answer).toMatchObject({ ...GOOD, transferred: 104 })
    expect([...answer.data.subarray(0, 8)]).toEqual([0, 0, 5, 2, 99, 0, 0, 2])
    expect(text(answer.data, 8, 36)).toBe('Msft    Virtual Disk    1.0 ')
    const old = await run(diskTarget({}, { inquiryVersion: 4 }), [0x12, 0, 0, 0, 36, 0], { data: 36 })
    expect([old.data[2], old.transferred]).toEqual([4, 36])
  })

  it.each([
    ['page without EVPD', [0x12, 0, 0x83, 0, 96, 0], 96],
    ['CmdDt', [0x12, 2, 0, 0, 96, 0], 96],
    ['allocation of 4', [0x12, 0, 0, 0, 4, 0], 96],
    ['allocation beyond the buffer', [0x12, 0, 0, 0, 96, 0], 36],
    ['unknown page', [0x12, 1, 0x77, 0, 96, 0], 96],
    ['page 80h without serial', [0x12, 1, 0x80, 0, 96, 0], 96],
  ])('refuses INQUIRY with %s', async (_what, cdb, data) => {
    expect(await run(diskTarget(), cdb, { data })).toMatchObject(illegal('5/24/00'))
  })

  it('lists its pages, with the identity of the disk and the limits of UNMAP', async () => {
    const diskId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
    const target = diskTarget({ diskId, blockSize: 2 * MIB, sizeBytes: 8 * MIB }, { serial: 'A1' })
    const page = (n: number) => run(target, [0x12, 1, n, 0, 255, 0], { data: 255 })
    const list = await page(0)
    expect([...list.data.subarray(4, list.transferred)]).toEqual([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0xce, 0xcf])
    expect(text((await page(0x80)).data, 4, 6)).toBe('A1')
    const id = (await page(0x83)).data
    expect([...id.subarray(4, 8)]).toEqual([1, 1, 0, 24])
    expect(text(id, 8, 16)).toBe('Msft    ')
    expect([...id.subarray(16, 32)]).toEqual([...diskId])
    expect([...id.subarray(32, 52)]).toEqual([
      1, 3, 0, 16, 0x60, 2, 0x24, 0x80, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16,
    ])
    const limits = await page(0xb0)
    expect(limits.transferred).toBe(64)
    expect([view(limits.data).getUint32(20), view(limits.data).getUint32(24)]).toEqual([0xffff_ffff, 4096])
    expect([view(limits.data).getUint32(28), view(limits.data).getUint32(32)]).toEqual([4096, 0x8000_0000])
    expect([...(await page(0xb2)).data.subarray(0, 8)]).toEqual([0, 0xb2, 0, 4, 1, 0x80, 2, 0])
    expect([...(await page(0xb1)).data.subarray(0, 6)]).toEqual([0, 0xb1, 0, 0x3c, 0, 1])
  })

  it.each([
    [512, 512, 0],
    [512, 4096, 3],
    [4096, 4096, 0],
  ] as const)('tells its capacity with sectors of %i in %i', async (logical, physical, exponent) => {
    const target = diskTarget({ logicalSectorSize: logical, physicalSectorSize: physical })
    const ten = await run(target, cdb10(0x25, 0, 0), { data: 8 })
    expect([view(ten.data).getUint32(0), view(ten.data).getUint32(4)]).toEqual([MIB / logical - 1, logical])
    const sixteen = await run(target, [0x9e, 0x10, ...u64(0), ...u32(32), 0, 0], { data: 32 })
    expect(sixteen.transferred).toBe(32)
    expect(view(sixteen.data).getUint32(4)).toBe(MIB / logical - 1)
    expect([sixteen.data[13], sixteen.data[14]]).toEqual([exponent, 0x80])
  })

  it('tells a capacity beyond 32 bits only to READ CAPACITY(16)', async () => {
    const backend = Object.create(new RamDisk({ sizeBytes: MIB }), { sizeBytes: { value: 3 * 2 ** 41 } }) as RamDisk
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend }))
    expect(view((await run(target, cdb10(0x25, 0, 0), { data: 8 })).data).getUint32(0)).toBe(0xffff_ffff)
    const long = await run(target, [0x9e, 0x10, ...u64(0), ...u32(32), 0, 0], { data: 32 })
    expect(view(long.data).getBigUint64(0)).toBe(BigInt(3 * 2 ** 32 - 1))
  })

  it.each([
    ['READ CAPACITY(10)', cdb10(0x25, 0, 0), 4],
    ['READ CAPACITY(16)', [0x9e, 0x10, ...u64(0), ...u32(32), 0, 0], 8],
  ])('says data overrun to %s with a short buffer', async (_name, cdb, data) => {
    expect(await run(diskTarget(), cdb, { data })).toMatchObject({ srb: 0x92, scsi: 2, sense: '5/24/00' })
  })

  it.each([
    ['READ/WRITE(6)', [0x08, 0, 0, 3, 2, 0], [0x0a, 0, 0, 3, 2, 0]],
    ['READ/WRITE(10)', cdb10(0x28, 3, 2), cdb10(0x2a, 3, 2)],
    ['READ/WRITE(12)', cdb12(0xa8, 3, 2), cdb12(0xaa, 3, 2)],
    ['READ/WRITE(16)', cdb16(0x88, u64(3), 2), cdb16(0x8a, u64(3), 2)],
    ['WRITE AND VERIFY(10)', cdb10(0x28, 3, 2), cdb10(0x2e, 3, 2)],
    ['WRITE AND VERIFY(12)', cdb12(0xa8, 3, 2), cdb12(0xae, 3, 2)],
    ['WRITE AND VERIFY(16)', cdb16(0x88, u64(3), 2), cdb16(0x8e, u64(3), 2)],
    ['WRITE(10) with FUA', cdb10(0x28, 3, 2), cdb10(0x2a, 3, 2, 8)],
  ])('reads what %s wrote', async (_name, readCdb, writeCdb) => {
    const target = diskTarget()
    const data = Uint8Array.from({ length: 1024 }, (_, i) => i * 7)
    expect(await run(target, writeCdb, { data, out: true })).toMatchObject({ ...GOOD, transferred: 1024 })
    const back = await run(target, readCdb, { data: 1024 })
    expect(back).toMatchObject({ ...GOOD, transferred: 1024, data })
    expect((await run(target, cdb10(0x28, 0, 3), { data: 1536 })).data.every((byte) => byte === 0)).toBe(true)
  })

  it('takes a count of 0 as 256 in READ(6) and as nothing elsewhere', async () => {
    const target = diskTarget()
    expect(await run(target, [0x08, 0, 0, 0, 0, 0], { data: 256 * 512 })).toMatchObject({
      ...GOOD,
      transferred: 131072,
    })
    expect(await run(target, cdb10(0x28, 0, 0))).toMatchObject({ ...GOOD, transferred: 0 })
    expect(await run(target, cdb10(0x2a, 2048, 0))).toMatchObject({ ...GOOD, transferred: 0 })
    expect(await run(target, cdb10(0x2a, 2049, 0))).toMatchObject(illegal('5/21/00'))
  })

  it('[TG-08] refuses every range that leaves the disk, up to the end of 64 bits', async () => {
    const target = diskTarget()
    const ranges: [number[], number][] = [
      [u64(2047), 2],
      [u64(2048), 1],
      [u64(0), 2049],
      [u64(2 ** 32), 1],
      [u64(2 ** 52), 1],
      [[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1],
      [[0x80, 0, 0, 0, 0, 0, 0, 0], 1],
      [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1],
      [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0xffff_ffff],
      [u64(0), 0xffff_ffff],
    ]
    for (const op of [0x88, 0x8a, 0x8e, 0x8f, 0x91]) {
      for (const [lba, count] of ranges) {
        const data = op === 0x91 || op === 0x8f ? 0 : 4096
        expect(await run(target, cdb16(op, lba, count), { data, out: op !== 0x88 })).toMatchObject(illegal('5/21/00'))
      }
    }
  })

  it('[TG-07] moves nothing when the buffer is shorter than the blocks', async () => {
    const target = diskTarget()
    const short = await run(target, cdb10(0x28, 0, 2), { data: 1023 })
    expect(short).toMatchObject({ ...illegal('5/21/00'), transferred: 0 })
    expect(await run(target, cdb10(0x2a, 0, 2), { data: 1023, out: true })).toMatchObject(illegal('5/21/00'))
  })

  it('[TG-08] a resize between check and work ends in out of range, not in other data', async () => {
    const ram = new RamDisk({ sizeBytes: MIB })
    const late = new FaultyBackend(ram)
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend: late }))
    const read = late.read.bind(late)
    late.read = async (offset, bytes) => {
      ram.resize(MIB / 2)
      await undefined
      read(offset, bytes)
    }
    expect(await run(target, cdb10(0x28, 2047, 1), { data: 512 })).toMatchObject(illegal('5/21/00'))
  })

  it('refuses writing to read-only media with 7/27', async () => {
    const target = diskTarget({ readOnly: true })
    const writes: [number[], number][] = [
      [cdb10(0x2a, 0, 1), 512],
      [cdb10(0x2e, 0, 1), 512],
      [cdb10(0x41, 0, 1), 512],
      [[0x42, 0, 0, 0, 0, 0, 0, 0, 8, 0], 8],
    ]
    for (const [cdb, length] of writes) {
      const data = cdb[0] === 0x42 ? [0, 6, 0, 0, 0, 0, 0, 0] : length
      expect(await run(target, cdb, { data, out: true })).toMatchObject({ srb: 0x84, scsi: 2, sense: '7/27/00' })
    }
    const mode = await run(target, [0x1a, 8, 0x3f, 0, 64, 0], { data: 64 })
    expect((mode.data[2] ?? 0) & 0x80).toBe(0x80)
    expect(await run(target, cdb10(0x28, 0, 1), { data: 512 })).toMatchObject(GOOD)
  })

  it.each([
    ['an unknown opcode', [0xff], 0, '5/20/00'],
    ['REPORT SUPPORTED OPCODES', [0xa3, 0x0c], 64, '5/20/00'],
    ['another service action of 9Eh', [0x9e, 0x12, ...u64(0), ...u32(32), 0, 0], 32, '5/24/00'],
    ['RelAdr', cdb10(0x28, 0, 1, 1), 512, '5/24/00'],
    ['START STOP UNIT with IMMED', [0x1b, 1, 0, 0, 1, 0], 0, '5/24/00'],
    ['a self-test that is not the default one', [0x1d, 0x24, 0, 0, 0, 0], 0, '5/24/00'],
    ['reservations without any', [0x5e, 0, 0, 0, 0, 0, 0, 0, 8, 0], 8, '5/20/00'],
    ['MODE SENSE of another page', [0x1a, 0, 0x1c, 0, 64, 0], 64, '5/24/00'],
    ['MODE SENSE of saved values', [0x1a, 0, 0xc8, 0, 64, 0], 64, '5/39/00'],
    ['MODE SENSE beyond the buffer', [0x1a, 0, 0x08, 0, 64, 0], 12, '5/24/00'],
    ['REQUEST SENSE with no room', [0x03, 0, 0, 0, 4, 0], 4, '5/24/00'],
    ['VERIFY with BYTCHK 2', cdb10(0x2f, 0, 1, 4), 512, '5/24/00'],
  ])('refuses %s', async (_name, cdb, data, sense) => {
    expect(await run(diskTarget(), cdb, { data })).toMatchObject(illegal(sense))
  })

  it('points at the byte of the CDB that it refuses', async () => {
    const request = new ScsiRequest()
    request.cdb.set([0x12, 1, 0x77, 0, 64, 0])
    request.data.add(new Uint8Array(64), 0, 64)
    request.direction = 1
    diskTarget().execute(request)
    expect([...request.sense.subarray(15)]).toEqual([0xc0, 0, 2])
  })

  it.each([
    ['TEST UNIT READY', [0x00]],
    ['FORMAT UNIT', [0x04]],
    ['RESERVE(6)', [0x16]],
    ['RELEASE(6)', [0x17]],
    ['START', [0x1b, 0, 0, 0, 1, 0]],
    ['STOP', [0x1b, 0, 0, 0, 0, 0]],
    ['SEND DIAGNOSTIC', [0x1d, 4, 0, 0, 0, 0]],
    ['PREVENT ALLOW', [0x1e, 0, 0, 0, 1, 0]],
    ['SYNCHRONIZE CACHE(10)', cdb10(0x35, 0, 0)],
    ['SYNCHRONIZE CACHE(16)', cdb16(0x91, u64(0), 0)],
    ['VERIFY(10)', cdb10(0x2f, 0, 2048)],
  ])('does %s', async (_name, cdb) => {
    expect(await run(diskTarget(), cdb)).toMatchObject({ ...GOOD, transferred: 0 })
  })

  it('has the caching page, in both forms, and refuses to change it', async () => {
    const target = diskTarget()
    const six = await run(target, [0x1a, 8, 0x08, 0, 64, 0], { data: 64 })
    expect([...six.data.subarray(0, six.transferred)]).toEqual([15, 0, 0x10, 0, 8, 10, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    const ten = await run(target, [0x5a, 8, 0x3f, 0, 0, 0, 0, 0, 64, 0], { data: 64 })
    expect([...ten.data.subarray(0, 11)]).toEqual([0, 18, 0, 0x10, 0, 0, 0, 0, 8, 10, 4])
    const same = six.data.subarray(0, 16)
    expect(await run(target, [0x15, 0x10, 0, 0, 16, 0], { data: same, out: true })).toMatchObject(GOOD)
    const other = Uint8Array.from(same)
    other[6] = 0
    expect(await run(target, [0x15, 0x10, 0, 0, 16, 0], { data: other, out: true })).toMatchObject(illegal('5/26/00'))
    expect(await run(target, [0x15, 0x10, 0, 0, 8, 0], { data: 8, out: true })).toMatchObject(illegal('5/1a/00'))
    expect(await run(target, [0x15, 0x11, 0, 0, 16, 0], { data: same, out: true })).toMatchObject(illegal('5/24/00'))
  })

  it('compares with VERIFY, whole or one sector against all', async () => {
    const target = diskTarget()
    const data = new Uint8Array(1024).fill(9)
    await run(target, cdb10(0x2a, 0, 2), { data, out: true })
    expect(await run(target, cdb10(0x2f, 0, 2, 2), { data, out: true })).toMatchObject(GOOD)
    const one = data.subarray(0, 512)
    expect(await run(target, cdb10(0x2f, 0, 2, 6), { data: one, out: true })).toMatchObject(GOOD)
    expect(await run(target, cdb10(0x2f, 1, 2, 6), { data: one, out: true })).toMatchObject({
      srb: 0x84,
      sense: 'e/1d/00',
    })
  })

  it('[TG-02] says it moved exactly what it wrote, for every allocation length', async () => {
    const target = diskTarget({}, { serial: 'S' })
    const commands: ((length: number) => number[])[] = [
      (n) => [0x03, 0, 0, 0, n, 0],
      (n) => [0x12, 0, 0, 0, n, 0],
      (n) => [0x12, 1, 0, 0, n, 0],
      (n) => [0x12, 1, 0x83, 0, n, 0],
      (n) => [0x1a, 0, 0x08, 0, n, 0],
      (n) => [0x5a, 0, 0x08, 0, 0, 0, 0, 0, n, 0],
      () => cdb10(0x25, 0, 0),
      (n) => [0x9e, 0x10, ...u64(0), ...u32(n), 0, 0],
      (n) => [0xa0, 0, 0, 0, 0, 0, ...u32(n), 0, 0],
    ]
    for (const command of commands) {
      for (const length of [0, 1, 4, 5, 7, 8, 12, 16, 31, 32, 36, 104, 255]) {
        const buffer = new Uint8Array(Math.max(length, 8) + 16).fill(0xaa)
        const answer = await run(target, command(length), { data: buffer })
        const untouched = answer.data.subarray(answer.transferred)
        expect(untouched.every((byte) => byte === 0xaa)).toBe(true)
        if (answer.srb !== 1) expect(answer.transferred).toBe(0)
      }
    }
  })
})

describe('thin provisioning', () => {
  const list = (...ranges: [number, number][]): number[] => [
    ...u16(ranges.length * 16 + 6),
    ...u16(ranges.length * 16),
    0,
    0,
    0,
    0,
    ...ranges.flatMap(([lba, count]) => [...u64(lba), ...u32(count), 0, 0, 0, 0]),
  ]
  const cdb = (length: number): number[] => [0x42, 0, 0, 0, 0, 0, 0, ...u16(length), 0]

  it('gives ranges back, and none when one is wrong', async () => {
    const target = diskTarget()
    const full = new Uint8Array(4096).fill(1)
    await run(target, cdb10(0x2a, 0, 8), { data: full, out: true })
    const wrong = list([0, 2], [2047, 2])
    expect(await run(target, cdb(wrong.length), { data: wrong, out: true })).toMatchObject(illegal('5/21/00'))
    expect((await run(target, cdb10(0x28, 0, 8), { data: 4096 })).data).toEqual(full)
    const right = list([0, 2], [4, 0], [6, 2])
    expect(await run(target, cdb(right.length), { data: right, out: true })).toMatchObject(GOOD)
    const after = (await run(target, cdb10(0x28, 0, 8), { data: 4096 })).data
    expect([0, 1023, 1024, 3071, 3072, 4095].map((i) => after[i])).toEqual([0, 0, 1, 1, 0, 0])
    expect(await run(target, cdb(8), { data: list(), out: true })).toMatchObject(GOOD)
    expect(await run(target, cdb(0))).toMatchObject(GOOD)
  })

  it.each([
    ['shorter than its header', cdb(4), [0, 2, 0, 0], '5/24/00'],
    ['another length than the buffer', cdb(24), list([0, 1]).concat([0]), '5/24/00'],
    ['a wrong list length', cdb(8), [0, 9, 0, 0, 0, 0, 0, 0], '5/26/00'],
    ['wrong descriptor bytes', cdb(8), [0, 6, 0, 16, 0, 0, 0, 0], '5/26/00'],
    [
      'a range at the end of 64 bits',
      cdb(24),
      [0, 22, 0, 16, 0, 0, 0, 0, ...new Array<number>(12).fill(255), 0, 0, 0, 0],
      '5/21/00',
    ],
  ])('refuses a list with %s', async (_name, command, data, sense) => {
    expect(await run(diskTarget(), command, { data, out: true })).toMatchObject(illegal(sense))
  })

  it('is absent from a disk without it', async () => {
    const target = diskTarget({}, { unmap: false })
    expect(await run(target, cdb(8), { data: list(), out: true })).toMatchObject(illegal('5/20/00'))
    expect(await run(target, [0x12, 1, 0xb2, 0, 64, 0], { data: 64 })).toMatchObject(illegal('5/24/00'))
    expect((await run(target, [0x9e, 0x10, ...u64(0), ...u32(32), 0, 0], { data: 32 })).data[14]).toBe(0)
  })

  it('writes the same sector many times', async () => {
    const target = diskTarget()
    const data = new Uint8Array(512).fill(3)
    expect(await run(target, cdb10(0x41, 1, 2), { data, out: true })).toMatchObject({ ...GOOD, transferred: 512 })
    expect((await run(target, cdb10(0x28, 1, 2), { data: 1024 })).data).toEqual(new Uint8Array(1024).fill(3))
    expect(await run(target, cdb16(0x93, u64(1), 1, 1))).toMatchObject(GOOD)
    expect((await run(target, cdb10(0x28, 1, 1), { data: 512 })).data).toEqual(new Uint8Array(512))
    expect(await run(target, cdb10(0x41, 0, 2, 8), { data, out: true })).toMatchObject(illegal('5/24/00'))
    expect(await run(target, cdb10(0x41, 0, 0), { data, out: true })).toMatchObject(illegal('5/24/00'))
    expect(await run(target, cdb10(0x41, 2040, 0), { data, out: true })).toMatchObject(GOOD)
    expect(await run(target, cdb10(0x41, 0, 1), { data: 100, out: true })).toMatchObject(illegal('5/24/00'))
  })

  it('writes the same sector over more than it holds in memory, up to the limit it tells', async () => {
    const target = new ScsiTarget()
    const backend = new RamDisk({ sizeBytes: 8 * MIB })
    const unit = new DiskUnit({ backend, maxWriteSameBytes: 4 * MIB })
    target.attach({ path: 0, target: 0, lun: 0 }, unit)
    const limits = await run(target, [0x12, 1, 0xb0, 0, 64, 0], { data: 64 })
    expect(new DataView(limits.data.buffer).getUint32(40)).toBe(8192)
    const data = new Uint8Array(512).fill(3)
    expect(await run(target, cdb16(0x93, u64(1), 6000), { data, out: true })).toMatchObject(GOOD)
    const back = new Uint8Array(8 * MIB)
    backend.read(0, back)
    expect([511, 512, 6000 * 512 + 511, 6001 * 512].map((at) => back[at])).toEqual([0, 3, 3, 0])
    expect(await run(target, cdb16(0x93, u64(0), 8193), { data, out: true })).toMatchObject(illegal('5/24/00'))
  })
})

describe('unit attentions', () => {
  it('tells a new capacity once, with the first command that may carry it', async () => {
    const backend = new RamDisk({ sizeBytes: MIB })
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend }))
    backend.resize(2 * MIB)
    expect(await run(target, [0x12, 0, 0, 0, 36, 0], { data: 36 })).toMatchObject(GOOD)
    expect(await run(target, [0x00])).toMatchObject({ srb: 0x84, scsi: 2, sense: '6/2a/09' })
    expect(await run(target, [0x00])).toMatchObject(GOOD)
    backend.resize(MIB)
    const sense = await run(target, [0x03, 0, 0, 0, 18, 0], { data: 18 })
    expect([sense.data[2], sense.data[12], sense.data[13]]).toEqual([6, 0x2a, 9])
    expect(await run(target, [0x00])).toMatchObject(GOOD)
  })

  it('tells a new block size, a reset, and other LUNs that came', async () => {
    const backend = new RamDisk({ sizeBytes: MIB })
    const block = { size: backend.blockSize }
    const changing = new Proxy(backend, {
      get: (disk, key) => (key === 'blockSize' ? block.size : Reflect.get(disk, key, disk)),
    })
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend: changing, powerOnAttention: true }))
    expect(await run(target, [0x00])).toMatchObject({ sense: '6/29/00' })
    block.size = 65536
    expect(await run(target, [0x00])).toMatchObject({ sense: '6/3f/00' })
    target.attach({ path: 0, target: 0, lun: 1 }, new DiskUnit({ backend }))
    expect(await run(target, [0x00])).toMatchObject({ sense: '6/3f/0e' })
    target.reset(Sense.BUS_RESET)
    expect(await run(target, [0x00], { lun: 1 })).toMatchObject({ sense: '6/29/02' })
    expect(await run(target, [0x00])).toMatchObject({ sense: '6/29/02' })
    expect(await run(target, [0x00])).toMatchObject(GOOD)
  })

  it('keeps the last sense for REQUEST SENSE', async () => {
    const target = diskTarget()
    await run(target, [0xff])
    const first = await run(target, [0x03, 0, 0, 0, 18, 0], { data: 18 })
    expect([first.data[0], first.data[2], first.data[12]]).toEqual([0x70, 5, 0x20])
    const second = await run(target, [0x03, 0, 0, 0, 18, 0], { data: 18 })
    expect([second.data[0], second.data[2]]).toEqual([0x70, 0])
  })
})

describe('[TG-06] the controller', () => {
  const report = (data: number): [number[], RunOptions] => [[0xa0, 0, 0, 0, 0, 0, ...u32(data), 0, 0], { data }]
  const luns = async (target: ScsiTarget, options: RunOptions = {}): Promise<number[]> => {
    const answer = await run(target, report(1024)[0], { data: 1024, ...options })
    const count = view(answer.data).getUint32(0) / 8
    expect(answer).toMatchObject({ ...GOOD, transferred: 8 + count * 8 })
    return Array.from({ length: count }, (_, i) => view(answer.data).getUint16(8 + i * 8))
  }

  it('reports exactly the LUNs it has, in order, by path and target', async () => {
    const target = new ScsiTarget()
    expect(await luns(target)).toEqual([])
    const disk = (): DiskUnit => new DiskUnit({ backend: new RamDisk({ sizeBytes: MIB }) })
    for (const lun of [63, 5, 64, 255]) target.attach({ path: 0, target: 0, lun }, disk())
    target.attach({ path: 0, target: 1, lun: 7 }, disk())
    target.attach({ path: 1, target: 0, lun: 9 }, disk())
    expect(await luns(target)).toEqual([5, 63, 64, 255])
    expect(await luns(target, { target: 1 })).toEqual([7])
    expect(await luns(target, { path: 1, lun: 3 })).toEqual([9])
    expect(await luns(target, { path: 3 })).toEqual([])
    target.detach({ path: 0, target: 0, lun: 64 })
    expect(await luns(target)).toEqual([5, 63, 255])
    expect(() => target.attach({ path: 0, target: 0, lun: 5 }, disk())).toThrow(/taken/)
    expect(() => target.attach({ path: 0, target: 0, lun: 256 }, disk())).toThrow(/0 to 255/)
  })

  it('cuts the list to the allocation and the buffer', async () => {
    const target = diskTarget()
    expect(await run(target, ...report(8))).toMatchObject({ ...GOOD, transferred: 8 })
    expect(await run(target, ...report(4))).toMatchObject({ ...GOOD, transferred: 0 })
    expect(await run(target, [0xa0, 0, 3, 0, 0, 0, ...u32(64), 0, 0], { data: 64 })).toMatchObject(illegal('5/24/00'))
  })

  it('answers for a LUN that is not there with GOOD, INVALID LUN and no sense', async () => {
    for (const cdb of [[0x00], cdb10(0x28, 0, 1), [0xff]]) {
      expect(await run(diskTarget(), cdb, { lun: 3, data: 512 })).toEqual(
        expect.objectContaining({ srb: 0x20, scsi: 0, sense: '', transferred: 0 }),
      )
    }
  })

  it('answers INQUIRY for a LUN that is not there with data that says so', async () => {
    const empty = new ScsiTarget()
    const zero = await run(empty, [0x12, 0, 0, 0, 36, 0], { data: 36 })
    expect([zero.srb, zero.data[0], text(zero.data, 8, 12)]).toEqual([1, 0x7f, 'Msft'])
    const other = await run(empty, [0x12, 0, 0, 0, 36, 0], { data: 36, lun: 4 })
    expect([other.srb, other.data[0], other.data[8]]).toEqual([1, 0x7f, 0])
    expect(await run(empty, [0x12, 1, 0, 0, 36, 0], { data: 36 })).toMatchObject(illegal('5/24/00'))
  })
})

describe('injected faults', () => {
  const faulty = (): [ScsiTarget, FaultyBackend] => {
    const backend = new FaultyBackend(new RamDisk({ sizeBytes: MIB }), () => 0.5)
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend }))
    return [target, backend]
  }

  it('hits a range, a rate and a count', async () => {
    const [target, backend] = faulty()
    const stop = backend.inject({ range: { start: 1024, end: 1536 } })
    expect(await run(target, cdb10(0x28, 0, 2), { data: 1024 })).toMatchObject(GOOD)
    expect(await run(target, cdb10(0x28, 1, 2), { data: 1024 })).toMatchObject({ srb: 0x84, scsi: 2, sense: '3/11/00' })
    expect(await run(target, cdb10(0x2a, 2, 1), { data: 512, out: true })).toMatchObject({ sense: '3/03/00' })
    stop()
    backend.inject({ rate: 0.4 })
    expect(await run(target, cdb10(0x28, 1, 2), { data: 1024 })).toMatchObject(GOOD)
    backend.inject({ rate: 0.6, count: 1 })
    expect(await run(target, cdb10(0x28, 1, 2), { data: 1024 })).toMatchObject({ sense: '3/11/00' })
    expect(await run(target, cdb10(0x28, 1, 2), { data: 1024 })).toMatchObject(GOOD)
  })

  it('tells what a backend cannot do as what it is', async () => {
    const [target, backend] = faulty()
    const cases: [Error, object][] = [
      [new ScsiFault('busy', 'b'), { srb: 0x05, scsi: 0x08, sense: '' }],
      [new ScsiFault('task-set-full', 'f'), { srb: 0x05, scsi: 0x28, sense: '' }],
      [
        new ScsiFault('check-condition', 'c', Sense.LOGICAL_UNIT_BECOMING_READY),
        { srb: 0x84, scsi: 2, sense: '2/04/01' },
      ],
      [Object.assign(new Error('full'), { code: 'no-space' }), { srb: 0x84, scsi: 2, sense: '7/27/07' }],
      [Object.assign(new Error('gone'), { code: 'aborted' }), { srb: 0x82, scsi: 0x40, sense: 'b/00/00' }],
      [new Error('what'), { srb: 0x84, scsi: 2, sense: '3/03/00' }],
    ]
    for (const [error, outcome] of cases) {
      const stop = backend.inject({ error })
      expect(await run(target, cdb10(0x2a, 0, 1), { data: 512, out: true })).toMatchObject(outcome)
      stop()
    }
  })
})

it('[TG-04] a disk whose geometry is nonsense is refused when it is made', () => {
  for (const [logicalSectorSize, physicalSectorSize] of [
    [0, 0],
    [1, 1],
    [512, 513],
    [Number.NaN, 512],
  ]) {
    const backend = Object.create(new RamDisk({ sizeBytes: MIB }), {
      logicalSectorSize: { value: logicalSectorSize },
      physicalSectorSize: { value: physicalSectorSize },
    }) as RamDisk
    expect(() => new DiskUnit({ backend })).toThrow(RangeError)
  }
})
