import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import { Msr } from '@bis/hyperv-types/hypervisor'
import { Partition } from '@bis/partition'
import { describe, expect, it } from 'vitest'
import { ReferenceTime, TICKS_PER_SECOND, ticksFromTsc } from './reference-time.ts'

function machine() {
  const clock = new ManualClock()
  const memory = GuestMemory.allocate(64 * 4096, { kind: 'shared' })
  const partition = new Partition({ memory, clock })
  const time = new ReferenceTime(partition, new PageAllocator(memory, 4096))
  return { clock, partition, time }
}

describe('ReferenceTime', () => {
  it('[DS-19] counts 10,000,000 ticks in a second, from the page as from the register', async () => {
    const { clock, partition, time } = machine()
    expect(time.usesTscPage).toBe(false)
    const before = time.now()
    await clock.advance(1000)
    expect(Number(time.now() - before)).toBeCloseTo(TICKS_PER_SECOND, -1)
    time.enableTscPage()
    const register = partition.readMsr(0, Msr.TIME_REF_COUNT)
    const difference = time.now() - register
    expect(difference >= -1n && difference <= 1n).toBe(true)
    await clock.advance(1000)
    expect(Number(time.now() - register)).toBeCloseTo(TICKS_PER_SECOND, -1)
  })

  it('[DS-19] goes on over a change of the TSC, and reads the register while the page says so', async () => {
    const { clock, partition, time } = machine()
    time.enableTscPage()
    await clock.advance(500)
    const before = time.now()
    partition.migrateTsc(2_000_000_000, 12_345n)
    expect(Math.abs(Number(time.now() - before))).toBeLessThan(3)
    const page = partition.memory.viewAt(4096, 4)
    page.setUint32(0, 0, true)
    expect(time.now()).toBe(partition.readMsr(0, Msr.TIME_REF_COUNT))
  })

  it('[DS-19] takes every 64-bit value for a legal one', () => {
    expect(ticksFromTsc(2n ** 64n - 1n, 2n ** 64n - 1n, 0n)).toBe(2n ** 64n - 2n)
    expect(ticksFromTsc(0n, 5n, -1n)).toBe(2n ** 64n - 1n)
    expect(ticksFromTsc(100n, 2n ** 63n, 7n)).toBe(57n)
  })
})
