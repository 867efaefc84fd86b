import { expect, it } from 'vitest'
import { crc32c } from './crc32c.ts'

it('gives the known values', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  expect(crc32c(new Uint8Array(4096))).toBe(0x98f94189)
  expect(crc32c(new Uint8Array(0))).toBe(0)
})

it('counts a hole as zeros', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * 7)
  const zeroed = bytes.slice().fill(0, 13, 17)
  expect(crc32c(bytes, 13)).toBe(crc32c(zeroed))
})
