import { expect, it } from 'vitest'
import { chsGeometry } from './geometry.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

it.each([
  [10 * MIB, 301, 4, 17],
  [100 * MIB, 1003, 12, 17],
  [504 * MIB, 1024, 16, 63],
  [GIB, 2080, 16, 63],
  [30 * GIB, 62415, 16, 63],
  [32 * GIB, 16448, 16, 255],
  [127 * GIB, 65278, 16, 255],
  [2040 * GIB, 65535, 16, 255],
])('%i bytes have %i/%i/%i', (size, cylinders, heads, sectorsPerTrack) => {
  expect(chsGeometry(size)).toEqual({ cylinders, heads, sectorsPerTrack })
})
