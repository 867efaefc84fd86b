import { ManualClock } from '@bis/hyperv-types'
import { expect, it } from 'vitest'
import { IopsLimitedBackend } from './iops-limit.ts'
import { RamDisk } from './ram-disk.ts'

it('does as many I/Os a second as it may, and counts long ones for several', async () => {
  const clock = new ManualClock()
  const limited = new IopsLimitedBackend(new RamDisk({ sizeBytes: 1 << 20 }), { clock, maximumIops: 100 })
  let done = 0
  const issue = (count: number, bytes: number): void => {
    for (let i = 0; i < count; i++) {
      const pending = limited.read(0, new Uint8Array(bytes))
      if (pending === undefined) done++
      else void pending.then(() => done++)
    }
  }
  await clock.advance(1000)
  issue(1000, 4096)
  await clock.advance(2000)
  // What was saved up is a tenth of a second.
  expect(done).toBeGreaterThanOrEqual(200)
  expect(done).toBeLessThanOrEqual(212)
  await clock.advance(10_000)
  done = 0
  issue(100, 65_536)
  await clock.advance(1000)
  expect(done).toBeLessThanOrEqual(14)
  limited.maximumIops = 0
  expect(limited.read(0, new Uint8Array(512))).toBeUndefined()
})
