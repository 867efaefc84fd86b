import { describe, expect, it } from 'vitest'
import { check, create, MemoryBackend, open } from '../src/index.ts'
import { viewOf } from '../src/shared/bytes.ts'
import { encodeBatEntry } from '../src/vhdx/bat.ts'
import type { Sample } from './support/images.ts'
import { childSample, dirtySample, dynamicSample } from './support/images.ts'
import { reopenable } from './support/reopenable.ts'

const KIB = 1024
const MIB = 1024 * KIB
const BAT = 3 * MIB

const vhdx = await dynamicSample('vhdx')
const vhd = await dynamicSample('vhd')

/** The sample with a change, and what a check says of it. */
async function changed(sample: Sample, change: (image: Uint8Array) => Uint8Array | undefined) {
  const image = sample.bytes.slice()
  const medium = new MemoryBackend(change(image) ?? image)
  const report = await check(medium, { findParent: sample.findParent })
  return { medium, report, codes: report.findings.map(({ code, severity }) => `${severity} ${code}`) }
}

/** A repair says what it repaired, the next check finds nothing, and the content is what it was. */
async function expectRepair(medium: MemoryBackend, sample: Sample): Promise<void> {
  const report = await check(medium, { repair: true, findParent: sample.findParent })
  expect(report.findings.length).toBeGreaterThan(0)
  expect(report.findings.filter(({ repairable, repaired }) => repairable && !repaired)).toEqual([])
  expect((await check(medium, { findParent: sample.findParent })).findings).toEqual([])
  const disk = await open(medium, { readOnly: true, findParent: sample.findParent })
  const content = new Uint8Array(disk.sizeBytes)
  await disk.read(0, content)
  expect(Buffer.compare(content, sample.content)).toBe(0)
}

function setEntry(image: Uint8Array, index: number, state: number, offset: number): undefined {
  encodeBatEntry(viewOf(image), BAT + 8 * index, state as 6, offset)
}

describe('check of a VHDX', () => {
  it('finds nothing in a sound one', async () => {
    const { report } = await changed(vhdx, () => undefined)
    expect(report).toMatchObject({ format: 'vhdx', ok: true, findings: [], blocks: 4, leakedBytes: 0 })
  })

  it('reports and replays a log', async () => {
    const dirty = await dirtySample()
    const { codes, medium, report } = await changed(dirty, () => undefined)
    expect(codes).toContain('warning log-dirty')
    expect(report.ok).toBe(false)
    await expectRepair(medium, dirty)
  })

  it.each([64 * KIB, 128 * KIB])('repairs the header at %i', async (offset) => {
    const { codes, medium } = await changed(vhdx, (image) => void image.fill(0, offset, offset + 100))
    expect(codes).toEqual(['warning header-damaged'])
    await expectRepair(medium, vhdx)
  })

  it.each([192 * KIB, 256 * KIB])('repairs the region table at %i', async (offset) => {
    const { codes, medium } = await changed(vhdx, (image) => void image.fill(0, offset, offset + 100))
    expect(codes).toEqual(['warning region-table-damaged'])
    await expectRepair(medium, vhdx)
  })

  it('repairs entries past the end of the disk, and a free end of the file', async () => {
    const { codes, medium } = await changed(vhdx, (image) => {
      setEntry(image, 9, 6, 90 * MIB)
      const longer = new Uint8Array(image.length + 3 * MIB)
      longer.set(image)
      return longer
    })
    expect(codes).toEqual(['leak bat-stale-entry', 'leak leaked-space'])
    await expectRepair(medium, vhdx)
    expect(await medium.size()).toBe(vhdx.bytes.length)
  })

  it('completes a last block that the file ends in', async () => {
    const { codes, medium } = await changed(vhdx, (image) => image.slice(0, image.length - 4096))
    expect(codes).toEqual(['warning block-short'])
    const report = await check(medium, { repair: true })
    expect(report.findings.every(({ repaired }) => repaired)).toBe(true)
    expect((await check(medium)).findings).toEqual([])
  })

  it.each<[string, (image: Uint8Array) => undefined, string]>([
    ['a block where another is', (image) => setEntry(image, 0, 6, 5 * MIB), 'error block-overlap'],
    ['a block in the log', (image) => setEntry(image, 0, 6, MIB), 'error block-overlap'],
    ['a block past the end of the file', (image) => setEntry(image, 0, 6, 900 * MIB), 'error block-past-end'],
    ['a reserved state', (image) => setEntry(image, 0, 4, 0), 'error bat-entry-invalid'],
    ['a partial block without a parent', (image) => setEntry(image, 1, 7, 4 * MIB), 'error partial-without-parent'],
  ])('reports %s and does not guess', async (_, change, expected) => {
    const { codes, medium } = await changed(vhdx, change)
    expect(codes).toContain(expected)
    const before = await bytesOf(medium)
    const report = await check(medium, { repair: true })
    expect(report.ok).toBe(false)
    expect(Buffer.compare(await bytesOf(medium), before)).toBe(0)
    // And nobody writes to it.
    const disk = await open(reopenable(medium))
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'corrupt' })
    await disk.close()
    expect(Buffer.compare(await bytesOf(medium), before)).toBe(0)
  })

  it('reports a missing bitmap', async () => {
    const child = await childSample('vhdx')
    const { codes } = await changed(child, (image) => setEntry(image, 4096, 0, 0))
    expect(codes).toEqual(['error bitmap-missing', 'leak leaked-space'])
  })

  it('reports a parent that is not there, or not looked for', async () => {
    const child = await childSample('vhdx')
    const medium = new MemoryBackend(child.bytes)
    expect((await check(medium)).findings).toEqual([
      expect.objectContaining({ code: 'parent-not-checked', severity: 'warning' }),
    ])
    expect((await check(medium, { findParent: async () => undefined })).findings).toEqual([
      expect.objectContaining({ code: 'parent-missing', severity: 'error' }),
    ])
  })

  it('lists so many of a kind and counts the rest', async () => {
    const big = new MemoryBackend()
    const disk = await create(reopenable(big), { sizeBytes: 600 * MIB, blockSize: MIB })
    await disk.close()
    for (let i = 0; i < 500; i++) {
      const entry = new Uint8Array(8)
      encodeBatEntry(viewOf(entry), 0, 4 as 6, 0)
      await big.write(BAT + 8 * i, entry)
    }
    const { findings } = await check(big)
    expect(findings.length).toBe(51)
    expect(findings.at(-1)?.message).toContain('450 more')
  })

  it('stops when told', async () => {
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(check(new MemoryBackend(vhdx.bytes), { signal: controller.signal })).rejects.toThrow('enough')
  })
})

describe('check of a VHD', () => {
  it('finds nothing in a sound one', async () => {
    const { report } = await changed(vhd, () => undefined)
    expect(report).toMatchObject({ format: 'vhd', ok: true, findings: [], blocks: 8 })
  })

  it('repairs a footer that is gone, and its damaged copy', async () => {
    const lost = await changed(vhd, (image) => void image.fill(0, image.length - 512))
    expect(lost.codes).toEqual(['warning footer-missing'])
    await expectRepair(lost.medium, vhd)
    const copy = await changed(vhd, (image) => void image.fill(0, 50, 60))
    expect(copy.codes).toEqual(['warning footer-copy-damaged'])
    await expectRepair(copy.medium, vhd)
  })

  it('reports blocks that overlap or are not in the file', async () => {
    const overlap = await changed(
      vhd,
      (image) => viewOf(image).setUint32(1536, viewOf(image).getUint32(1536 + 4 * 7)) as undefined,
    )
    expect(overlap.codes).toContain('error block-overlap')
    const past = await changed(vhd, (image) => viewOf(image).setUint32(1536, 0x7fffffff) as undefined)
    expect(past.codes).toContain('error block-past-end')
  })
})

describe('check of anything else', () => {
  it('calls it raw and finds nothing', async () => {
    expect(await check(new MemoryBackend(new Uint8Array(MIB)))).toMatchObject({ format: 'raw', ok: true, findings: [] })
  })

  it('reports what it was told it is', async () => {
    expect(await check(new MemoryBackend(new Uint8Array(MIB)), { format: 'vhd' })).toMatchObject({
      ok: false,
      findings: [{ code: 'not-an-image' }],
    })
    expect(await check(new MemoryBackend(new Uint8Array(100)), { format: 'vhdx' })).toMatchObject({ ok: false })
  })

  it('does not repair what it may not write', async () => {
    await expect(check(new MemoryBackend(vhdx.bytes, { readOnly: true }), { repair: true })).rejects.toMatchObject({
      code: 'read-only',
    })
  })
})

async function bytesOf(medium: MemoryBackend): Promise<Uint8Array> {
  const bytes = new Uint8Array(await medium.size())
  await medium.read(0, bytes)
  return bytes
}
