import { expect, it } from 'vitest'
import { formatGuid, formatUuid, parseGuid } from './guid.ts'

it('writes the first three fields of a GUID the other way round', () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => i)
  expect(formatGuid(bytes)).toBe('03020100-0504-0706-0809-0a0b0c0d0e0f')
  expect(formatUuid(bytes)).toBe('00010203-0405-0607-0809-0a0b0c0d0e0f')
  expect(parseGuid('{03020100-0504-0706-0809-0A0B0C0D0E0F}')).toEqual(bytes)
})

it('takes nothing else for a GUID', () => {
  expect(parseGuid('03020100-0504-0706-0809')).toBeUndefined()
  expect(parseGuid('')).toBeUndefined()
})
