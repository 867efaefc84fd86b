import { DiskImageError } from '../errors.ts'
import { GIB, TIB } from '../shared/bytes.ts'
import { SECTOR } from './layout.ts'
import type { LogEntry } from './log-entry.ts'

/** Bounds that no honest log comes near; past them replay would be a way to keep a program busy for ever. */
const MAX_ZERO_DESCRIPTORS = 65_536
const MAX_ZEROED = 64 * GIB
const MAX_FILE = 66 * TIB

export interface Interval {
  offset: number
  end: number
}

/** What a log does to the file, each place once. */
export interface LogEffect {
  /** New content by sector number. */
  sectors: Map<number, Uint8Array>
  /** Ranges that become zero but where a sector above says otherwise; in order, apart from each other. */
  zeroed: Interval[]
  /** The file has at least this size afterwards. */
  size: number
}

/** Folds entries (oldest first) into their common effect, in time linear in the log but for sorting. */
export function logEffect(entries: readonly LogEntry[]): LogEffect {
  const sectors = new Map<number, Uint8Array>()
  const zeroed: Interval[] = []
  let size = entries.at(-1)?.lastFileSize ?? 0
  let zeroDescriptors = 0
  // From the newest write back: what is there already wins.
  for (const entry of entries.toReversed()) {
    for (const { offset, length, data } of entry.writes.toReversed()) {
      size = Math.max(size, offset + length)
      if (data === undefined) {
        if (length > 0) insert(zeroed, { offset, end: offset + length })
        if (++zeroDescriptors > MAX_ZERO_DESCRIPTORS)
          throw new DiskImageError('corrupt', `VHDX log: more than ${MAX_ZERO_DESCRIPTORS} zero descriptors to replay`)
      } else if (!sectors.has(offset / SECTOR) && !covers(zeroed, offset)) {
        sectors.set(offset / SECTOR, data)
      }
    }
  }
  if (size > MAX_FILE)
    throw new DiskImageError('corrupt', `VHDX log: replay would grow the file to ${size} bytes, past any image's size`)
  const total = zeroed.reduce((sum, range) => sum + range.end - range.offset, 0)
  if (total > MAX_ZEROED)
    throw new DiskImageError(
      'corrupt',
      `VHDX log: replay would zero ${total} bytes of map data, more than any image has`,
    )
  return { sectors, zeroed, size }
}

/** Index of the first interval that ends after a place. */
export function firstEndingAfter(intervals: readonly Interval[], offset: number): number {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((intervals[middle] as Interval).end > offset) high = middle
    else low = middle + 1
  }
  return low
}

function covers(intervals: readonly Interval[], offset: number): boolean {
  const candidate = intervals[firstEndingAfter(intervals, offset)]
  return candidate !== undefined && candidate.offset <= offset
}

function insert(intervals: Interval[], added: Interval): void {
  const from = firstEndingAfter(intervals, added.offset - 1)
  let to = from
  let { offset, end } = added
  for (let other = intervals[to]; other !== undefined && other.offset <= end; other = intervals[++to]) {
    offset = Math.min(offset, other.offset)
    end = Math.max(end, other.end)
  }
  intervals.splice(from, to - from, { offset, end })
}
