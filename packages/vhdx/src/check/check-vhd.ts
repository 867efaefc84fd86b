import type { Backend } from '../backend.ts'
import { readZeroPadded } from '../backend.ts'
import { at } from '../errors.ts'
import { MIB, roundUp, viewOf } from '../shared/bytes.ts'
import type { Environment } from '../shared/environment.ts'
import type { TaskOptions } from '../task.ts'
import { step } from '../task.ts'
import type { DynamicHeader } from '../vhd/dynamic-header.ts'
import { DYNAMIC_HEADER_BYTES } from '../vhd/dynamic-header.ts'
import { encodeFooter, FOOTER_BYTES, VHD_TYPE } from '../vhd/footer.ts'
import type { FoundFooter } from '../vhd/image.ts'
import { bitmapBytes, checkFooter, findFooter, readDynamicHeader, tableBytes, VHD_SECTOR } from '../vhd/image.ts'
import { DATA_ALIGNMENT, UNUSED } from '../vhd/space-scan.ts'
import { VhdStore } from '../vhd/store.ts'
import type { Findings } from './findings.ts'
import type { CheckCounts } from './report.ts'

interface Options extends TaskOptions {
  repair?: boolean
  environment: Environment
}

export async function checkVhd(backend: Backend, findings: Findings, options: Options): Promise<CheckCounts> {
  const repair = options.repair === true
  const fileSize = await backend.size()
  const found = await findFooter(backend)
  if (found === undefined) {
    findings.add('error', 'not-an-image', 'file', 'there is a footer neither at the end nor at the start')
    return { blocks: 0, allocatedBlocks: 0, leakedBytes: 0 }
  }
  checkFooter(found, fileSize)
  const { footer } = found
  if (footer.type === VHD_TYPE.fixed) {
    const extra = fileSize - footer.currentSize - found.endBytes
    if (extra !== 0)
      findings.add(
        'warning',
        'file-size',
        'file',
        `${extra} bytes between the disk's ${footer.currentSize} and the footer`,
      )
    return { blocks: 1, allocatedBlocks: 1, leakedBytes: extra }
  }
  if (found.source === 'start')
    findings.add(
      'warning',
      'footer-missing',
      `file end at ${at(fileSize)}`,
      'no footer at the end of the file; the copy at the start serves',
      true,
    )
  else if (!found.startIsGood)
    findings.add(
      'warning',
      'footer-copy-damaged',
      'footer copy at 0x0',
      'damaged, or says something else than the footer at the end',
      true,
    )
  const header = await readDynamicHeader(backend, footer)
  const walk = await walkTable(backend, found, header, findings, options)
  if (repair && !findings.has('error')) await repairAll(backend, found, header, findings, walk.stale)
  return {
    blocks: Math.ceil(footer.currentSize / header.blockSize),
    allocatedBlocks: walk.allocatedBlocks,
    leakedBytes: walk.leakedBytes,
  }
}

interface Walk {
  allocatedBlocks: number
  leakedBytes: number
  /** Entries past the disk's last block that are not empty. */
  stale: number[]
}

async function walkTable(
  backend: Backend,
  found: FoundFooter,
  header: DynamicHeader,
  findings: Findings,
  options: TaskOptions,
): Promise<Walk> {
  const { blockSize, batOffset } = header
  const fileSize = await backend.size()
  const dataEnd = fileSize - found.endBytes
  const blocks = Math.ceil(found.footer.currentSize / blockSize)
  const unit = bitmapBytes(blockSize) + blockSize
  // A table may be promised more entries than the file has; those are no block's.
  const total = Math.min(header.maxEntries, Math.floor((fileSize - batOffset) / 4))
  const placeOf = (block: number) => `block table entry ${block} at ${at(batOffset + block * 4)}`
  const used: { offset: number; end: number; block: number }[] = [
    { offset: 0, end: FOOTER_BYTES, block: -1 },
    { offset: found.footer.dataOffset ?? 0, end: (found.footer.dataOffset ?? 0) + DYNAMIC_HEADER_BYTES, block: -1 },
    { offset: batOffset, end: batOffset + tableBytes(total), block: -1 },
    ...header.locators.map(({ offset, length }) => ({ offset, end: offset + roundUp(length, VHD_SECTOR), block: -1 })),
  ]
  const walk: Walk = { allocatedBlocks: 0, leakedBytes: 0, stale: [] }
  const buffer = new Uint8Array(Math.max(4, Math.min(MIB, total * 4)))
  const view = viewOf(buffer)
  for (let first = 0; first < total; first += buffer.length / 4) {
    step(options, first, total)
    await readZeroPadded(backend, batOffset + first * 4, buffer)
    for (let block = first; block < Math.min(total, first + buffer.length / 4); block++) {
      const sector = view.getUint32((block - first) * 4)
      if (sector === UNUSED) continue
      const offset = sector * VHD_SECTOR
      if (block >= blocks) {
        findings.add(
          'leak',
          'bat-stale-entry',
          placeOf(block),
          `an entry past the disk's last block, for ${at(offset)}`,
          true,
        )
        walk.stale.push(block)
      } else if (offset + unit > dataEnd) {
        findings.add(
          'error',
          'block-past-end',
          placeOf(block),
          `its ${unit} bytes at ${at(offset)} are not before the end of the file's content at ${at(dataEnd)}`,
        )
      } else {
        used.push({ offset, end: offset + unit, block })
        walk.allocatedBlocks++
      }
    }
  }
  used.sort((a, b) => a.offset - b.offset)
  let end = 0
  let inside = 0
  for (const range of used) {
    if (range.offset < end) {
      findings.add(
        'error',
        'block-overlap',
        range.block < 0 ? `structure at ${at(range.offset)}` : placeOf(range.block),
        `what begins at ${at(range.offset)} overlaps what ends at ${at(end)}`,
      )
    }
    // Alignment leaves small gaps that hold nothing and are no loss.
    if (range.offset - end >= unit) inside += range.offset - end
    end = Math.max(end, range.end)
  }
  const tail = Math.max(0, dataEnd - end)
  if (inside > 0)
    findings.add(
      'leak',
      'leaked-space',
      'file',
      `${inside} bytes between blocks are free; compact the image to get them back, or leave them for new blocks`,
    )
  if (tail >= DATA_ALIGNMENT)
    findings.add('leak', 'leaked-space', `file from ${at(end)}`, `${tail} bytes at the end are free`, true)
  walk.leakedBytes = inside + tail
  step(options, total, total)
  return walk
}

async function repairAll(
  backend: Backend,
  found: FoundFooter,
  header: DynamicHeader,
  findings: Findings,
  stale: readonly number[],
): Promise<void> {
  const unused = new Uint8Array(4).fill(0xff)
  for (const block of stale) await backend.write(header.batOffset + block * 4, unused)
  if (stale.length > 0) await backend.flush()
  const codes = ['footer-missing', 'footer-copy-damaged', 'bat-stale-entry', 'leaked-space'] as const
  if (!codes.some((code) => findings.wants(code))) return
  if (!found.startIsGood) {
    await backend.write(0, encodeFooter(found.footer))
    await backend.flush()
  }
  // Beginning and ending a session writes both footers and cuts the file.
  const store = new VhdStore(backend, found, header)
  await store.begin()
  await store.commit(() => backend.flush())
  await store.finish(() => backend.flush())
  findings.repaired(...codes)
}
