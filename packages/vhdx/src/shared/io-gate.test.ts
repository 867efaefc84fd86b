import { expect, it } from 'vitest'
import { IoGate } from './io-gate.ts'

it('lets I/O in together, a change alone, and a waiting change before later I/O', async () => {
  const gate = new IoGate()
  const log: string[] = []
  expect(gate.enter()).toBeUndefined()
  expect(gate.enter()).toBeUndefined()
  const change = gate.exclusively(async () => {
    log.push('change')
    await Promise.resolve()
    log.push('changed')
  })
  const late = gate.enter()?.then(() => log.push('late'))
  gate.leave()
  await Promise.resolve()
  expect(log).toEqual([])
  gate.leave()
  await change
  await late
  expect(log).toEqual(['change', 'changed', 'late'])
})

it('goes on after a change that failed', async () => {
  const gate = new IoGate()
  await expect(gate.exclusively(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(gate.enter()).toBeUndefined()
})
