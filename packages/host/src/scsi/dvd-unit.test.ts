import { describe, expect, it } from 'vitest'
import { cdb10, cdb12, GOOD, illegal, run, text, u16, view } from '../../test/support/scsi.ts'
import type { DvdUnitOptions } from './dvd-unit.ts'
import { DvdUnit } from './dvd-unit.ts'
import { RamDisk } from './ram-disk.ts'
import { ScsiTarget } from './target.ts'

const BLOCKS = 300
const disc = (): RamDisk => new RamDisk({ sizeBytes: BLOCKS * 2048 + 512, readOnly: true })

function drive(options: DvdUnitOptions = { medium: disc() }): [ScsiTarget, DvdUnit] {
  const target = new ScsiTarget()
  const unit = new DvdUnit(options)
  target.attach({ path: 0, target: 0, lun: 0 }, unit)
  return [target, unit]
}

describe('a DVD drive', () => {
  it('says what it is', async () => {
    const [target] = drive()
    const answer = await run(target, [0x12, 0, 0, 0, 36, 0], { data: 36 })
    expect([...answer.data.subarray(0, 8)]).toEqual([5, 0x80, 0, 2, 0x1f, 0, 0, 0])
    expect(text(answer.data, 8, 36)).toBe('Msft    Virtual DVD-ROM 1.0 ')
    const pages = await run(target, [0x12, 1, 0, 0, 64, 0], { data: 64 })
    expect([...pages.data.subarray(0, pages.transferred)]).toEqual([5, 0, 0, 2, 0, 0x83])
    const id = await run(target, [0x12, 1, 0x83, 0, 64, 0], { data: 64 })
    expect([id.transferred, text(id.data, 8, 12), id.data[16]]).toEqual([32, 'Msft', 0x73])
    expect(await run(target, [0x12, 1, 0xb0, 0, 64, 0], { data: 64 })).toMatchObject(illegal('5/24/00'))
  })

  it('reads blocks of 2048 bytes from a medium with any sectors', async () => {
    const medium = new RamDisk({ sizeBytes: BLOCKS * 2048 })
    medium.write(2048 * 7, new Uint8Array(2048).fill(7))
    const [target] = drive({ medium })
    const capacity = await run(target, cdb10(0x25, 0, 0), { data: 8 })
    expect([view(capacity.data).getUint32(0), view(capacity.data).getUint32(4)]).toEqual([BLOCKS - 1, 2048])
    for (const cdb of [cdb10(0x28, 7, 1), cdb12(0xa8, 7, 1)]) {
      const answer = await run(target, cdb, { data: 2048 })
      expect([answer.transferred, answer.data[0], answer.data[2047]]).toEqual([2048, 7, 7])
    }
    expect(await run(target, cdb10(0x28, 0, 0))).toMatchObject(GOOD)
    expect(await run(target, cdb10(0x28, BLOCKS, 1), { data: 2048 })).toMatchObject(illegal('5/21/00'))
    expect(await run(target, cdb10(0x28, 0, 2), { data: 2048 })).toMatchObject({ srb: 0x12, scsi: 2, sense: '' })
    expect(await run(target, cdb10(0x2a, 0, 1), { data: 2048, out: true })).toMatchObject(illegal('5/20/00'))
  })

  it('without a medium says so, for an open and a closed tray', async () => {
    const [target, unit] = drive({})
    for (const cdb of [[0], cdb10(0x28, 0, 1), cdb10(0x25, 0, 0), [0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0]]) {
      expect(await run(target, cdb, { data: 2048 })).toMatchObject({ srb: 0x84, scsi: 2, sense: '2/3a/01' })
    }
    expect(await run(target, [0x1b, 0, 0, 0, 2, 0])).toMatchObject(GOOD)
    expect(await run(target, [0])).toMatchObject({ sense: '2/3a/02' })
    expect(await run(target, [0x1b, 0, 0, 0, 3, 0])).toMatchObject(GOOD)
    expect(await run(target, [0])).toMatchObject({ sense: '2/3a/01' })
    unit.insert(disc())
    expect(await run(target, [0])).toMatchObject({ sense: '6/28/00' })
    expect(await run(target, [0])).toMatchObject(GOOD)
  })

  it('does not give the medium out while the guest prevents it', async () => {
    const [target, unit] = drive()
    let ejected = 0
    unit.onEject(() => ejected++)
    for (const bits of [1, 3]) {
      await run(target, [0x1e, 0, 0, 0, bits, 0])
      expect(await run(target, [0x1b, 0, 0, 0, 2, 0])).toMatchObject(illegal('5/53/02'))
      await run(target, [0x1e, 0, 0, 0, bits - 1, 0])
    }
    expect(await run(target, [0x1b, 0, 0, 0, 2, 0])).toMatchObject(GOOD)
    expect([ejected, unit.medium]).toEqual([1, undefined])
  })

  it('tells of media that come and go, to those who poll', async () => {
    const [target, unit] = drive({})
    const poll = async (): Promise<number[]> => {
      const answer = await run(target, [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0], { data: 8 })
      return [...answer.data.subarray(2, 6)]
    }
    expect(await poll()).toEqual([4, 0x10, 0, 0])
    unit.insert(disc())
    expect(await poll()).toEqual([4, 0x10, 2, 2])
    expect(await poll()).toEqual([4, 0x10, 0, 2])
    unit.eject()
    expect(await poll()).toEqual([4, 0x10, 3, 0])
    expect(await run(target, [0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0], { data: 8 })).toMatchObject(illegal('5/24/00'))
  })

  it('has one track, one session, and the features of a DVD-ROM drive', async () => {
    const [target] = drive()
    const toc = await run(target, [0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0], { data: 64 })
    expect(toc.transferred).toBe(20)
    expect([toc.data[6], toc.data[14], view(toc.data).getUint32(16)]).toEqual([1, 0xaa, BLOCKS])
    const msf = await run(target, [0x43, 2, 0, 0, 0, 0, 0, 0, 64, 0], { data: 64 })
    expect([...msf.data.subarray(8, 12)]).toEqual([0, 0, 2, 0])
    expect((await run(target, [0x43, 0, 1, 0, 0, 0, 0, 0, 64, 0], { data: 64 })).transferred).toBe(12)
    expect(await run(target, [0x43, 0, 2, 0, 0, 0, 0, 0, 64, 0], { data: 64 })).toMatchObject(illegal('5/24/00'))
    const features = await run(target, [0x46, 0, 0, 0, 0, 0, 0, ...u16(512), 0], { data: 512 })
    expect([features.data[7], view(features.data).getUint32(0)]).toEqual([0x10, features.transferred - 4])
    const codes: number[] = []
    for (let at = 8; at < features.transferred; at += 4 + (features.data[at + 3] ?? 0)) {
      codes.push(view(features.data).getUint16(at))
    }
    expect(codes).toEqual([0, 1, 2, 3, 0x10, 0x1e, 0x1f, 0x100, 0x105, 0x107])
    const one = await run(target, [0x46, 2, 0, 3, 0, 0, 0, ...u16(512), 0], { data: 512 })
    expect(one.transferred).toBe(16)
    expect((await run(target, [0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0], { data: 34 })).transferred).toBe(34)
    expect((await run(target, [0x52, 0, 0, 0, 0, 1, 0, 0, 36, 0], { data: 36 })).transferred).toBe(36)
    const structure = [0xad, 0, 0, 0, 0, 0, 0, 0, ...u16(2052), 0, 0]
    expect((await run(target, structure, { data: 2052 })).transferred).toBe(2052)
    const mode = await run(target, [0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255, 0], { data: 255 })
    expect(mode.transferred).toBe(8 + 12 + 12 + 10)
    expect(await run(target, [0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 255, 0], { data: 255 })).toMatchObject(illegal('5/24/00'))
    expect(await run(target, [0x5a, 0, 0xff, 0, 0, 0, 0, 0, 255, 0], { data: 255 })).toMatchObject(illegal('5/39/00'))
    expect((await run(target, [0x03, 0, 0, 0, 18, 0], { data: 18 })).data[2]).toBe(0)
  })

  it('[TG-02] says it moved what it wrote, and overruns what is too short', async () => {
    const [target] = drive()
    const commands: ((length: number) => number[])[] = [
      (n) => [0x43, 0, 0, 0, 0, 0, 0, ...u16(n), 0],
      (n) => [0x46, 0, 0, 0, 0, 0, 0, ...u16(n), 0],
      (n) => [0x4a, 1, 0, 0, 0x10, 0, 0, ...u16(n), 0],
      (n) => [0x51, 0, 0, 0, 0, 0, 0, ...u16(n), 0],
      (n) => [0x52, 0, 0, 0, 0, 0, 0, ...u16(n), 0],
      (n) => [0x5a, 0, 0x3f, 0, 0, 0, 0, ...u16(n), 0],
      (n) => [0xad, 0, 0, 0, 0, 0, 0, 0, ...u16(n), 0, 0],
      (n) => [0xbd, 0, 0, 0, 0, 0, 0, 0, ...u16(n), 0, 0],
      (n) => [0x03, 0, 0, 0, n & 0xff, 0],
    ]
    for (const command of commands) {
      for (const length of [0, 1, 4, 8, 12, 20, 34, 200]) {
        const answer = await run(target, command(length), { data: new Uint8Array(length + 8).fill(0xaa) })
        expect(answer.srb).toBe(1)
        expect(answer.data.subarray(answer.transferred).every((byte) => byte === 0xaa)).toBe(true)
        expect(answer.transferred).toBeLessThanOrEqual(length)
        if (length > 4) {
          expect(await run(target, command(length), { data: 4 })).toMatchObject({ srb: 0x12, sense: '' })
        }
      }
    }
  })
})
