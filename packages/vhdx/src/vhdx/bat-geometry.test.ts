import { expect, it } from 'vitest'
import { batGeometry, bitmapIndex, blockFrom, isBitmapIndex, payloadIndex } from './bat-geometry.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
const TIB = 2 ** 40

it.each([
  [GIB, MIB, 512, 4096, 1024, 1024, 4097],
  [127 * GIB, 32 * MIB, 512, 128, 4064, 4095, 4128],
  [127 * GIB, 2 * MIB, 512, 2048, 65024, 65055, 65568],
  [127 * GIB, 32 * MIB, 4096, 1024, 4064, 4067, 4100],
  [2 * TIB, 32 * MIB, 512, 128, 65536, 66047, 66048],
  [64 * TIB, MIB, 512, 4096, 67_108_864, 67_125_247, 67_125_248],
])(
  '%i bytes in blocks of %i, sectors of %i',
  (diskSize, blockSize, logicalSectorSize, chunkRatio, payloadBlocks, base, child) => {
    const disk = { diskSize, blockSize, logicalSectorSize }
    expect(batGeometry({ ...disk, hasParent: false })).toEqual({ chunkRatio, payloadBlocks, entries: base })
    expect(batGeometry({ ...disk, hasParent: true })).toEqual({ chunkRatio, payloadBlocks, entries: child })
  },
)

it('puts a bitmap entry behind each chunk', () => {
  const geometry = { chunkRatio: 4, payloadBlocks: 10, entries: 15 }
  expect(Array.from({ length: 10 }, (_, block) => payloadIndex(geometry, block))).toEqual([
    0, 1, 2, 3, 5, 6, 7, 8, 10, 11,
  ])
  expect([0, 1, 2].map((chunk) => bitmapIndex(geometry, chunk))).toEqual([4, 9, 14])
  expect(Array.from({ length: 15 }, (_, index) => index).filter((index) => isBitmapIndex(geometry, index))).toEqual([
    4, 9, 14,
  ])
  expect(Array.from({ length: 12 }, (_, index) => blockFrom(geometry, index))).toEqual([
    0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9,
  ])
})
