import { expect, it } from 'vitest'
import { decodeFooter, encodeFooter, VHD_TYPE, vhdTime } from './footer.ts'
import { chsGeometry } from './geometry.ts'

const footer = {
  features: 2,
  version: 0x00010000,
  dataOffset: undefined,
  timestamp: 0,
  creatorApp: 'win ',
  creatorVersion: 0x000a0000,
  creatorHostOs: 'Wi2k',
  originalSize: 2 ** 30,
  currentSize: 2 ** 30,
  ...chsGeometry(2 ** 30),
  type: VHD_TYPE.fixed,
  uniqueId: new Uint8Array(16),
  savedState: 0,
}

it('has the checksum of a known footer', () => {
  const bytes = encodeFooter(footer)
  expect(new DataView(bytes.buffer).getUint32(0x40)).toBe(0xfffff0d9)
  expect(decodeFooter(bytes)).toEqual(footer)
})

it('refuses any changed bit', () => {
  for (let i = 0; i < 512; i++) {
    const bytes = encodeFooter(footer)
    bytes[i] = (bytes[i] as number) ^ 1
    expect(decodeFooter(bytes)).toBeUndefined()
  }
})

it('reads old footers of 511 bytes', () => {
  expect(decodeFooter(encodeFooter(footer).subarray(0, 511))).toEqual(footer)
})

it('counts time from the year 2000', () => {
  expect(vhdTime(Date.UTC(2000, 0, 1, 0, 1))).toBe(60)
})
