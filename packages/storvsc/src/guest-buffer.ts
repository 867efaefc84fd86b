import type { GuestMemory } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'

/** The guest-physical address of a buffer that is a window on guest memory, or -1 for one that lies elsewhere. */
export function gpaOf(memory: GuestMemory, buffer: Uint8Array): number {
  const { buffer: whole, byteOffset, byteLength } = buffer
  for (const { bytes, gpa, byteLength: size } of memory.regions) {
    if (bytes.buffer !== whole) continue
    const offset = byteOffset - bytes.byteOffset
    if (offset >= 0 && offset + byteLength <= size) return gpa + offset
  }
  return -1
}

/** Pages of guest memory as one range of a packet names them. */
export interface ScatterList {
  /** Address of the first byte. */
  readonly gpa: number
  readonly pfns: readonly number[]
}

/**
 * Several buffers as one range: the first may begin anywhere in its page, every other one begins a page, and every one but
 * the last ends at the end of a page. Undefined when they do not have that shape, or do not lie in guest memory.
 */
export function scatterOf(memory: GuestMemory, buffers: readonly Uint8Array[]): ScatterList | undefined {
  const pfns: number[] = []
  let start = -1
  let end = 0
  for (const buffer of buffers) {
    if (buffer.length === 0) continue
    const gpa = gpaOf(memory, buffer)
    if (gpa < 0) return undefined
    if (start < 0) start = gpa
    else if (gpa % PAGE_SIZE !== 0 || end % PAGE_SIZE !== 0) return undefined
    end = gpa + buffer.length
    for (let page = Math.floor(gpa / PAGE_SIZE); page * PAGE_SIZE < end; page++) pfns.push(page)
  }
  return start < 0 ? undefined : { gpa: start, pfns }
}
