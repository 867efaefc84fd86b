import { describe, expect, it } from 'vitest'
import { check, MemoryBackend, open } from '../src/index.ts'
import { parseGuid } from '../src/shared/guid.ts'
import type { Region } from '../src/vhdx/region-table.ts'
import { chooseRegionTable, encodeRegionTable } from '../src/vhdx/region-table.ts'
import { dynamicSample } from './support/images.ts'
import { reopenable } from './support/reopenable.ts'

const KIB = 1024
const MIB = 1024 * KIB
const UNKNOWN = parseGuid('12345678-1234-1234-1234-123456789abc') as Uint8Array
const { bytes, content } = await dynamicSample('vhdx')

function regions(): { bat: Region; metadata: Region } {
  const copy = bytes.subarray(192 * KIB, 256 * KIB)
  return chooseRegionTable([copy, copy])
}

/** The sample with another region table in both copies. */
function withRegions(list: readonly Region[]): MemoryBackend {
  const image = bytes.slice()
  const table = encodeRegionTable(list)
  image.set(table, 192 * KIB)
  image.set(table, 256 * KIB)
  return new MemoryBackend(image)
}

describe('[VX-05] a VHDX whose regions', () => {
  const { bat, metadata } = regions()
  const extra = (changes: Partial<Region> = {}): Region => ({
    guid: UNKNOWN,
    offset: 100 * MIB,
    length: MIB,
    required: false,
    ...changes,
  })

  it.each<[string, Region[], string]>([
    ['overlap each other', [bat, { ...metadata, offset: bat.offset }], 'corrupt'],
    ['overlap the log', [{ ...bat, offset: MIB }, metadata], 'corrupt'],
    ['overlap the headers', [{ ...bat, offset: 0 }, metadata], 'corrupt'],
    ['reach into each other', [bat, { ...metadata, length: 2 * MIB }], 'corrupt'],
    ['lie past the end of the file', [{ ...bat, offset: 64 * MIB }, metadata], 'truncated'],
    ['are there twice', [bat, metadata, { ...bat, offset: 100 * MIB }], 'corrupt'],
    ['lack the block table', [metadata], 'corrupt'],
    ['lack the metadata', [bat], 'corrupt'],
    ['are not whole MiB', [bat, { ...metadata, offset: metadata.offset + 4096 }], 'corrupt'],
    ['are empty', [bat, { ...metadata, length: 0 }], 'corrupt'],
    ['contain an unknown one that is required', [bat, metadata, extra({ required: true })], 'unsupported'],
    ['contain an unknown one that overlaps', [bat, metadata, extra({ offset: bat.offset })], 'corrupt'],
  ])('%s is refused', async (_, list, code) => {
    await expect(open(withRegions(list), { readOnly: true })).rejects.toMatchObject({ code })
    expect(await check(withRegions(list))).toMatchObject({
      ok: false,
      findings: [expect.objectContaining({ code, severity: 'error' })],
    })
  })

  it('contain an unknown one that is not required opens, and keeps it and its place', async () => {
    const end = Math.ceil(bytes.length / MIB) * MIB
    const medium = withRegions([bat, metadata, extra({ offset: end })])
    await medium.write(end, new Uint8Array(MIB).fill(0x55))
    const disk = await open(reopenable(medium))
    const back = new Uint8Array(disk.sizeBytes)
    await disk.read(0, back)
    expect(Buffer.compare(back, content)).toBe(0)
    await disk.resize(64 * 2 ** 30)
    await disk.write(40 * MIB, new Uint8Array(8 * MIB).fill(1))
    await disk.compact()
    await disk.close()
    const kept = new Uint8Array(MIB)
    await medium.read(end, kept)
    expect(kept.every((byte) => byte === 0x55)).toBe(true)
    expect(await check(medium)).toMatchObject({ ok: true })
  })

  it('are not marked required, as old qemu-img left them, opens', async () => {
    const medium = withRegions([
      { ...bat, required: false },
      { ...metadata, required: false },
    ])
    await (await open(medium)).close()
  })
})
