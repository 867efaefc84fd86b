import { WireError } from '../errors.ts'
import type { Frame } from './frame-reader.ts'
import { encodeFrame } from './frame-writer.ts'
import { FrameType, memoryFrame, memoryRegionRecord } from './frames.ts'

const PATH_ALIGNMENT = 8
const MAX_PATH = 4096
const MAX_REGIONS = 64

/** A run of guest memory, and the file it is in. */
export interface SharedRegion {
  /** Guest-physical address of the first byte. */
  readonly gpa: number
  readonly byteLength: number
  readonly path: string
  readonly fileOffset: number
}

export function encodeMemory(regions: readonly SharedRegion[]): Uint8Array {
  const parts: Uint8Array[] = [memoryFrame.encode({ region_count: regions.length })]
  for (const { gpa, byteLength, path, fileOffset } of regions) {
    const text = new TextEncoder().encode(path)
    const padded = new Uint8Array(padding(text.length))
    padded.set(text)
    parts.push(
      memoryRegionRecord.encode({
        guest_physical_address: gpa,
        region_size: byteLength,
        file_offset: fileOffset,
        path_length: text.length,
      }),
      padded,
    )
  }
  return encodeFrame(FrameType.MEMORY, ...parts)
}

/**
 * The regions of a MEMORY frame. Addresses and sizes are only read here; whoever maps them checks them.
 * @throws WireError when counts or lengths do not fit the frame, or the path is no UTF-8
 */
export function decodeMemory({ view, bytes, base, length }: Frame): SharedRegion[] {
  if (length < memoryFrame.size) throw new WireError('truncated', `MEMORY of ${length} bytes`)
  const count = memoryFrame.region_count.get(view, base)
  if (count === 0 || count > MAX_REGIONS) {
    throw new WireError('bad-count', `MEMORY with ${count} regions; 1 to ${MAX_REGIONS}`)
  }
  const end = base + length
  let at = base + memoryFrame.size
  const regions: SharedRegion[] = []
  for (let index = 0; index < count; index++) {
    if (at + memoryRegionRecord.size > end) throw new WireError('truncated', `MEMORY ends in region ${index}`)
    const record = memoryRegionRecord.decode(view, at)
    const path = at + memoryRegionRecord.size
    if (record.path_length === 0 || record.path_length > MAX_PATH || path + padding(record.path_length) > end) {
      throw new WireError('bad-length', `MEMORY region ${index} has a path of ${record.path_length} bytes`)
    }
    regions.push({
      gpa: record.guest_physical_address,
      byteLength: record.region_size,
      path: decodePath(bytes.subarray(path, path + record.path_length)),
      fileOffset: record.file_offset,
    })
    at = path + padding(record.path_length)
  }
  return regions
}

function decodePath(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new WireError('bad-value', 'MEMORY: a path is not UTF-8', { cause })
  }
}

function padding(length: number): number {
  return Math.ceil(length / PATH_ALIGNMENT) * PATH_ALIGNMENT
}
