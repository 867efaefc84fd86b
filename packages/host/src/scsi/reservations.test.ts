import { describe, expect, it } from 'vitest'
import { cdb10, GOOD, illegal, run, u32, view } from '../../test/support/scsi.ts'
import { DiskUnit } from './disk-unit.ts'
import { RamDisk } from './ram-disk.ts'
import { Reservations } from './reservations.ts'
import { ScsiTarget } from './target.ts'

const A = '00000000000000aa'
const B = '00000000000000bb'
const NONE = '0000000000000000'
const bytesOf = (key: string): number[] => key.match(/../g)?.map((text) => Number.parseInt(text, 16)) ?? []
const CONFLICT = { srb: 4, scsi: 0x18, sense: '' }

/** A disk that several guests share, each behind a controller of its own. */
function shared(guests: number): ScsiTarget[] {
  const backend = new RamDisk({ sizeBytes: 1 << 20 })
  const reservations = new Reservations()
  return Array.from({ length: guests }, () => {
    const target = new ScsiTarget()
    target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend, nexus: reservations.nexus() }))
    return target
  })
}

function out(target: ScsiTarget, action: number, key: string, serviceKey = NONE, type = 0, flags = 0) {
  const data = [...bytesOf(key), ...bytesOf(serviceKey), 0, 0, 0, 0, flags, 0, 0, 0]
  return run(target, [0x5f, action, type, 0, 0, ...u32(24), 0], { data, out: true })
}

const inn = (target: ScsiTarget, action: number) => run(target, [0x5e, action, 0, 0, 0, 0, 0, 0, 255, 0], { data: 255 })
const register = (target: ScsiTarget, key: string) => out(target, 0, NONE, key)
const reserve = (target: ScsiTarget, key: string, type: number) => out(target, 1, key, NONE, type)
const release = (target: ScsiTarget, key: string, type: number) => out(target, 2, key, NONE, type)

/** Takes the unit attention that waits. */
async function attention(target: ScsiTarget): Promise<string> {
  return (await run(target, [0])).sense
}

describe('[TG-05] persistent reservations', () => {
  const read = cdb10(0x28, 0, 1)
  const write = cdb10(0x2a, 0, 1)
  // What a registered and an unregistered initiator may do while another holds the reservation.
  it.each([
    [1, 'write exclusive', { read: [true, true], write: [false, false] }],
    [3, 'exclusive access', { read: [false, false], write: [false, false] }],
    [5, 'write exclusive, registrants only', { read: [true, true], write: [true, false] }],
    [6, 'exclusive access, registrants only', { read: [true, false], write: [true, false] }],
    [7, 'write exclusive, all registrants', { read: [true, true], write: [true, false] }],
    [8, 'exclusive access, all registrants', { read: [true, false], write: [true, false] }],
  ])('type %i (%s): who may read and write', async (type, _name, allowed) => {
    const [holder, registered, stranger] = shared(3) as [ScsiTarget, ScsiTarget, ScsiTarget]
    await register(holder, A)
    await register(registered, B)
    expect(await reserve(holder, A, type)).toMatchObject(GOOD)
    for (const [i, target] of [registered, stranger].entries()) {
      const may = (list: readonly (boolean | undefined)[]): object => (list[i] === true ? GOOD : CONFLICT)
      expect(await run(target, read, { data: 512 })).toMatchObject(may(allowed.read))
      expect(await run(target, write, { data: 512, out: true })).toMatchObject(may(allowed.write))
      expect(await run(target, cdb10(0x35, 0, 0))).toMatchObject(may(allowed.write))
      expect(await run(target, [0x1a, 0, 8, 0, 64, 0], { data: 64 })).toMatchObject(may(allowed.read))
      // Always allowed.
      expect(await run(target, [0])).toMatchObject(GOOD)
      expect(await run(target, [0x12, 0, 0, 0, 36, 0], { data: 36 })).toMatchObject(GOOD)
      expect(await run(target, cdb10(0x25, 0, 0), { data: 8 })).toMatchObject(GOOD)
      expect(await inn(target, 1)).toMatchObject(GOOD)
    }
    expect(await run(holder, write, { data: 512, out: true })).toMatchObject(GOOD)
  })

  it('registers, changes and drops keys, and only with the right one', async () => {
    const [a] = shared(1) as [ScsiTarget]
    expect(await out(a, 0, B, A)).toMatchObject(CONFLICT)
    expect(await register(a, A)).toMatchObject(GOOD)
    expect(await register(a, B)).toMatchObject(CONFLICT)
    expect(await out(a, 0, A, B)).toMatchObject(GOOD)
    const keys = await inn(a, 0)
    expect([...keys.data.subarray(0, keys.transferred)]).toEqual([0, 0, 0, 2, 0, 0, 0, 8, ...bytesOf(B)])
    expect(await out(a, 6, NONE, A)).toMatchObject(GOOD)
    expect(await out(a, 0, A, NONE)).toMatchObject(GOOD)
    expect(view((await inn(a, 0)).data).getUint32(4)).toBe(0)
    expect(await reserve(a, A, 1)).toMatchObject(CONFLICT)
  })

  it('is told as it is', async () => {
    const [a, b] = shared(2) as [ScsiTarget, ScsiTarget]
    await register(a, A)
    await register(b, B)
    await reserve(a, A, 5)
    const reservation = await inn(b, 1)
    expect(reservation.transferred).toBe(24)
    expect([...reservation.data.subarray(8, 16), reservation.data[21]]).toEqual([...bytesOf(A), 5])
    expect([...(await inn(b, 2)).data.subarray(0, 8)]).toEqual([0, 8, 0, 0x80, 0xea, 1, 0, 0])
    const full = await inn(b, 3)
    expect(full.transferred).toBe(8 + 48)
    expect([full.data[8 + 12], full.data[8 + 13], full.data[32 + 12]]).toEqual([1, 5, 0])
    expect(await inn(b, 9)).toMatchObject(illegal('5/24/00'))
  })

  it('is released by its holder alone, who must name its type; others are told', async () => {
    const [a, b] = shared(2) as [ScsiTarget, ScsiTarget]
    await register(a, A)
    await register(b, B)
    await reserve(a, A, 6)
    expect(await reserve(a, A, 6)).toMatchObject(GOOD)
    expect(await reserve(b, B, 6)).toMatchObject(CONFLICT)
    expect(await release(b, B, 6)).toMatchObject(GOOD)
    expect(await release(a, A, 5)).toMatchObject(illegal('5/26/04'))
    expect(await release(a, A, 6)).toMatchObject(GOOD)
    expect(await attention(b)).toBe('6/2a/04')
    expect(await reserve(b, B, 1)).toMatchObject(GOOD)
  })

  it('is cleared by any registrant, and all are told', async () => {
    const [a, b] = shared(2) as [ScsiTarget, ScsiTarget]
    await register(a, A)
    await register(b, B)
    await reserve(a, A, 1)
    expect(await out(b, 3, B)).toMatchObject(GOOD)
    expect(await attention(a)).toBe('6/2a/03')
    expect(view((await inn(a, 0)).data).getUint32(4)).toBe(0)
    expect(await run(b, write, { data: 512, out: true })).toMatchObject(GOOD)
  })

  it('is taken over by preempting its holder, who is told and shut out', async () => {
    const [a, b, c] = shared(3) as [ScsiTarget, ScsiTarget, ScsiTarget]
    await register(a, A)
    await register(b, B)
    await reserve(a, A, 1)
    expect(await out(c, 4, B, A, 1)).toMatchObject(CONFLICT)
    expect(await out(b, 4, B, NONE, 1)).toMatchObject(illegal('5/26/00'))
    expect(await out(b, 4, B, '00000000000000cc', 1)).toMatchObject(CONFLICT)
    expect(await out(b, 5, B, A, 3)).toMatchObject(GOOD)
    expect(await attention(a)).toBe('6/2a/05')
    expect(await run(a, read, { data: 512 })).toMatchObject(CONFLICT)
    expect(await run(b, write, { data: 512, out: true })).toMatchObject(GOOD)
  })

  it('of all registrants lives as long as there is one, and is preempted with key 0', async () => {
    const [a, b] = shared(2) as [ScsiTarget, ScsiTarget]
    await register(a, A)
    await register(b, B)
    await reserve(a, A, 8)
    await out(a, 0, A, NONE)
    expect(await run(a, read, { data: 512 })).toMatchObject(CONFLICT)
    expect(await run(b, write, { data: 512, out: true })).toMatchObject(GOOD)
    await register(a, A)
    expect(await out(a, 4, A, NONE, 7)).toMatchObject(GOOD)
    expect(await attention(b)).toBe('6/2a/05')
    expect(await run(b, write, { data: 512, out: true })).toMatchObject(CONFLICT)
    await out(a, 0, A, NONE)
    expect(await run(b, write, { data: 512, out: true })).toMatchObject(GOOD)
  })

  it('refuses lists, scopes and types there are not', async () => {
    const [a] = shared(1) as [ScsiTarget]
    await register(a, A)
    expect(await out(a, 1, A, NONE, 2)).toMatchObject(illegal('5/24/00'))
    expect(await out(a, 1, A, NONE, 0x11)).toMatchObject(illegal('5/24/00'))
    expect(await out(a, 9, A)).toMatchObject(illegal('5/24/00'))
    expect(await out(a, 0, A, A, 0, 8)).toMatchObject(illegal('5/26/00'))
    expect(await out(a, 0, A, A, 0, 1)).toMatchObject(illegal('5/26/00'))
    const short = await run(a, [0x5f, 0, 0, 0, 0, ...u32(23), 0], { data: 24, out: true })
    expect(short).toMatchObject(illegal('5/1a/00'))
  })
})
