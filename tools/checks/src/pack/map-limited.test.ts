import { expect, it } from 'vitest'
import { mapLimited } from './map-limited.ts'

it('keeps the order and the limit', async () => {
  let running = 0
  let most = 0
  const doubled = await mapLimited([1, 2, 3, 4, 5], 2, async (value) => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
    return value * 2
  })
  expect(doubled).toEqual([2, 4, 6, 8, 10])
  expect(most).toBe(2)
})

it('stops at the first failure', async () => {
  await expect(mapLimited([1], 2, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
})
