import { ManualClock } from '@bis/hyperv-types'
import { Msr, tscPage } from '@bis/hyperv-types/hypervisor'
import { describe, expect, it } from 'vitest'
import { TestGuest } from '../test/guest.ts'
import { ReferenceTime } from './reference-time.ts'

const PAGE_GPA = 0x30_0000

/** What a guest computes from the page, or undefined when it must use the register. */
function timeByPage(guest: TestGuest): bigint | undefined {
  const page = guest.memory.viewAt(PAGE_GPA, tscPage.size)
  if (tscPage.tsc_sequence.get(page, 0) === 0) return undefined
  const product = guest.partition.readTsc(0) * tscPage.tsc_scale.get(page, 0)
  return (product >> 64n) + tscPage.tsc_offset.get(page, 0)
}

describe('[DS-19] reference time', () => {
  it('counts 10,000,000 in a second', async () => {
    const guest = new TestGuest({ initialTsc: 123_456_789_012_345n })
    const before = guest.partition.readMsr(0, Msr.TIME_REF_COUNT)
    await guest.clock.advance(1000)
    const after = guest.partition.readMsr(0, Msr.TIME_REF_COUNT)
    expect(Number(after - before)).toBeGreaterThanOrEqual(9_999_999)
    expect(Number(after - before)).toBeLessThanOrEqual(10_000_000)
    expect(before).toBe(0n)
  })

  it('is the same by register and by page, whatever the counter began with', async () => {
    for (const initialTsc of [0n, 1n, 2n ** 40n, 2n ** 62n]) {
      const guest = new TestGuest({ initialTsc })
      guest.partition.writeMsr(0, Msr.REFERENCE_TSC, BigInt(PAGE_GPA) | 1n)
      for (const milliseconds of [0.0001, 1, 59_999, 3_600_000, 90 * 86_400_000]) {
        await guest.clock.advance(milliseconds)
        expect(timeByPage(guest)).toBe(guest.partition.readMsr(0, Msr.TIME_REF_COUNT))
      }
    }
  })

  it('goes on over a migration, with another sequence in the page', async () => {
    const guest = new TestGuest()
    guest.partition.writeMsr(0, Msr.REFERENCE_TSC, BigInt(PAGE_GPA) | 1n)
    await guest.clock.advance(5000)
    const sequence = guest.memory.viewAt(PAGE_GPA, 4).getUint32(0, true)
    const before = guest.partition.readMsr(0, Msr.TIME_REF_COUNT)
    guest.partition.migrateTsc(1_000_000_000, 42n)
    expect(guest.memory.viewAt(PAGE_GPA, 4).getUint32(0, true)).not.toBe(sequence)
    expect(guest.partition.readMsr(0, Msr.TIME_REF_COUNT)).toBe(before)
    expect(timeByPage(guest)).toBe(before)
    expect(guest.partition.readMsr(0, Msr.TSC_FREQUENCY)).toBe(1_000_000_000n)
    await guest.clock.advance(1000)
    expect(Number(guest.partition.readMsr(0, Msr.TIME_REF_COUNT) - before)).toBeCloseTo(10_000_000, -1)
  })

  it('never goes back', async () => {
    const clock = new ManualClock()
    const time = new ReferenceTime(clock, 2_903_999_123, 0n)
    let last = -1n
    for (let i = 0; i < 2000; i++) {
      await clock.advance(0.00007)
      const now = time.now()
      expect(now >= last).toBe(true)
      last = now
    }
  })
})
