import { expect, it } from 'vitest'
import { StorvscRequest } from './request.ts'

it('[RB-10] gives each use of a slot another transaction id, never 0, always an unsigned word', () => {
  const request = new StorvscRequest(2)
  const seen = new Set<number>()
  for (let use = 0; use < 32_768; use++) {
    request.take()
    const id = request.transactionId
    if (id <= 0 || id > 0xffff_ffff || !Number.isInteger(id) || (id & 0xffff) !== 2) throw new Error(`id ${id}`)
    seen.add(id)
  }
  expect(seen.size).toBe(32_768)
})

it('[ST-01] keeps nothing of an earlier command', () => {
  const request = new StorvscRequest(1)
  Object.assign(request, { length: 4096, gpa: 8192, pfns: [1], direction: 1, cdbLength: 16, senseLength: 18, tag: {} })
  request.cdb.fill(0xff)
  request.reset()
  const fresh = new StorvscRequest(1)
  expect(request).toEqual(fresh)
})
