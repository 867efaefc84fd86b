import { describe, expect, it } from 'vitest'
import { ManualClock } from './manual-clock.ts'
import { sleep } from './sleep.ts'

describe('ManualClock', () => {
  it('fires timers in the order of their due times, at those times', async () => {
    const clock = new ManualClock()
    const seen: [string, number][] = []
    clock.after(20, () => seen.push(['b', clock.now()]))
    clock.after(10, () => {
      seen.push(['a', clock.now()])
      clock.after(5, () => seen.push(['c', clock.now()]))
    })
    clock.after(15, () => seen.push(['never', 0])).cancel()
    await clock.advance(30)
    expect(seen).toEqual([
      ['a', 10],
      ['c', 15],
      ['b', 20],
    ])
    expect(clock.now()).toBe(30)
    expect(clock.pendingTimers).toBe(0)
  })

  it('runs soon before later, and neither inside the call that schedules it', async () => {
    const clock = new ManualClock()
    const seen: string[] = []
    clock.later(() => seen.push('later'))
    clock.soon(() => seen.push('soon'))
    expect(seen).toEqual([])
    await clock.run()
    expect(seen).toEqual(['soon', 'later'])
  })

  it('wakes sleepers, and lets an abort end a sleep without leaving a timer', async () => {
    const clock = new ManualClock()
    let woke = false
    void sleep(clock, 100).then(() => {
      woke = true
    })
    const abort = new AbortController()
    const aborted = sleep(clock, 1000, abort.signal).catch((reason: unknown) => reason)
    abort.abort('enough')
    expect(await aborted).toBe('enough')
    await clock.advance(99)
    expect(woke).toBe(false)
    await clock.advance(1)
    expect(woke).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('runs what a promise waits for, step after step, and tells how it ends', async () => {
    const clock = new ManualClock()
    const steps = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) await new Promise<void>((resolve) => clock.later(resolve))
      return count
    }
    expect(await clock.settle(steps(50))).toBe(50)
    const failed = steps(3).then(() => Promise.reject(new Error('no')))
    await expect(clock.settle(failed)).rejects.toThrow('no')
    expect(clock.now()).toBe(0)
  })
})
