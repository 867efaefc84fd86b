import type { GuestMemory, MemoryRegion, Packet } from '@bis/hyperv-types'
import { joinWords, PAGE_SIZE } from '@bis/hyperv-types'
import type { DataBuffer } from '../scsi/data-buffer.ts'

const DESCRIPTOR_BYTES = 16
/** Reserved word and range count, then the one range's length and offset. */
const RANGE_HEADER_BYTES = 16

/**
 * Takes over the first `length` bytes of the one range that a GPA-direct packet may carry. Guests may name more pages
 * than they need; those are not looked at.
 * @returns false, with nothing in `data`, when it is not one range, shorter than `length`, or not all guest memory.
 */
export function takeGuestData(packet: Packet, length: number, memory: GuestMemory, data: DataBuffer): boolean {
  data.clear()
  const { view } = packet
  const at = DESCRIPTOR_BYTES
  const end = packet.dataOffset
  if (end < at + RANGE_HEADER_BYTES || view.getUint32(at + 4, true) !== 1) return false
  if (view.getUint32(at + 8, true) < length) return false
  let pageOffset = view.getUint32(at + 12, true)
  if (pageOffset >= PAGE_SIZE) return false
  let left = length
  let region: MemoryRegion | undefined
  for (let entry = at + RANGE_HEADER_BYTES; left > 0; entry += 8) {
    const pfn = entry + 8 > end ? -1 : joinWords(view.getUint32(entry, true), view.getUint32(entry + 4, true))
    const gpa = pfn * PAGE_SIZE
    if (region === undefined || gpa < region.gpa || gpa >= region.gpa + region.byteLength) {
      region = pfn < 0 ? undefined : memory.regionAt(gpa, PAGE_SIZE)
      if (region === undefined) {
        data.clear()
        return false
      }
    }
    const part = Math.min(PAGE_SIZE - pageOffset, left)
    data.add(region.bytes, gpa - region.gpa + pageOffset, part)
    left -= part
    pageOffset = 0
  }
  return true
}
