import type { GuestMemory, HostGpadl } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import type { GpadlMemory } from '../control/types.ts'

const KNOWN = new WeakMap<GpadlMemory, HostGpadl>()

/** A GPADL as devices see it; the same object for the same GPADL. */
export function hostGpadl(gpadl: GpadlMemory, memory: GuestMemory): HostGpadl {
  const known = KNOWN.get(gpadl)
  if (known !== undefined) return known
  const pfns = new Float64Array(gpadl.pageCount)
  let filled = 0
  let byteLength = 0
  for (const range of gpadl.ranges) {
    pfns.set(range.pfns, filled)
    filled += range.pfns.length
    byteLength += range.byteCount
  }
  const byteOffset = gpadl.ranges[0]?.byteOffset ?? 0
  const rangeCount = gpadl.ranges.length
  const contiguous = rangeCount === 1 ? contiguousBytes(pfns, byteOffset, byteLength, memory) : undefined
  const made: HostGpadl = {
    handle: gpadl.handle,
    byteLength,
    byteOffset,
    rangeCount,
    pfns,
    ...(contiguous === undefined ? {} : { contiguous }),
  }
  KNOWN.set(gpadl, made)
  return made
}

function contiguousBytes(
  pfns: Float64Array,
  byteOffset: number,
  byteLength: number,
  memory: GuestMemory,
): Uint8Array | undefined {
  const first = pfns[0]
  if (first === undefined) return undefined
  for (let page = 1; page < pfns.length; page++) if (pfns[page] !== first + page) return undefined
  const gpa = first * PAGE_SIZE + byteOffset
  return memory.contains(gpa, byteLength) ? memory.bytesAt(gpa, byteLength) : undefined
}
