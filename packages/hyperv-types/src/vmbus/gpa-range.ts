/**
 * Lists of guest memory ranges, as GPADLs and GPA-direct packets carry them: byte count, byte offset in the first page,
 * and one page number for each page touched. Source: include/linux/hyperv.h (struct gpa_range), OpenVMM gparange.rs.
 */
import { WireError } from '../errors.ts'
import { PAGE_SIZE, pagesSpanned } from '../memory/page.ts'
import { layout, rest, u32, u64 } from '../struct/index.ts'

/** One range; `pfn_array` has as many page numbers as byte count and offset need. */
export const gpaRange = layout('gpa_range', { byte_count: u32, byte_offset: u32, pfn_array: rest(u64) }, { size: 8 })

export interface GpaRange {
  /** Bytes of the range; above 0. */
  readonly byteCount: number
  /** Where it begins in its first page; below 4096. */
  readonly byteOffset: number
  /** Page numbers, each below 2^52. */
  readonly pfns: readonly number[]
}

/** Bytes of one range in a list. */
export function gpaRangeBytes(range: GpaRange): number {
  return gpaRange.size + range.pfns.length * 8
}

/** A list of ranges as bytes. @throws LayoutError `bad-value` for a number that does not fit */
export function encodeGpaRanges(ranges: readonly GpaRange[]): Uint8Array {
  const out = new Uint8Array(ranges.reduce((sum, range) => sum + gpaRangeBytes(range), 0))
  let offset = 0
  for (const { byteCount, byteOffset, pfns } of ranges) {
    offset += gpaRange.encode({ byte_count: byteCount, byte_offset: byteOffset, pfn_array: pfns }, out, offset)
  }
  return out
}

/**
 * Reads a list of ranges of the other side. Words behind the last range are left alone.
 * @param count ranges in the list
 * @throws WireError `bad-count` for an empty range or list, `bad-offset` for an offset of a page or more, `truncated` when the page
 * numbers end early, `bad-value` for a page number that no machine has
 */
export function decodeGpaRanges(bytes: Uint8Array, count: number): GpaRange[] {
  if (count === 0) throw new WireError('bad-count', 'list of no ranges')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ranges: GpaRange[] = []
  let offset = 0
  while (ranges.length < count) {
    const where = `range ${ranges.length + 1} of ${count}`
    if (!gpaRange.fits(bytes.length, offset))
      throw new WireError('truncated', `${where} begins at ${offset} of ${bytes.length} bytes`)
    const byteCount = gpaRange.byte_count.get(view, offset)
    const byteOffset = gpaRange.byte_offset.get(view, offset)
    if (byteCount === 0) throw new WireError('bad-count', `${where} is empty`)
    if (byteOffset >= PAGE_SIZE)
      throw new WireError('bad-offset', `${where}: offset ${byteOffset} is not within a page`)
    const pages = pagesSpanned(byteOffset, byteCount)
    const end = offset + gpaRange.size + pages * 8
    if (end > bytes.length)
      throw new WireError('truncated', `${where}: ${pages} pages need ${end} of ${bytes.length} bytes`)
    const pfns = gpaRange.pfn_array.read(view, offset, end)
    if (pfns.some((pfn) => pfn >= MAX_PFN))
      throw new WireError('bad-value', `${where} has a page number of 2^52 or more`)
    ranges.push({ byteCount, byteOffset, pfns })
    offset = end
  }
  return ranges
}

const MAX_PFN = 2 ** 52
