import { MemoryError } from '../errors.ts'
import type { Backing, MemoryKind, WasmMemory } from './backing.ts'
import { createBacking } from './backing.ts'
import { PAGE_SIZE } from './page.ts'

/** A run of guest-physical addresses that has memory behind it. */
export interface MemoryRegion {
  /** First guest-physical address, page-aligned. */
  readonly gpa: number
  readonly byteLength: number
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly kind: MemoryKind
  readonly wasm?: WasmMemory
}

export interface RegionSpec {
  readonly gpa: number
  readonly backing: Backing
}

export interface AllocateOptions {
  readonly kind?: Exclude<MemoryKind, 'mapped'>
  /** Where the hole for devices begins; memory beyond it continues at 4 GiB. Default 0xF8000000. */
  readonly gapBase?: number
}

const FOUR_GIB = 0x1_0000_0000
const DEFAULT_GAP_BASE = 0xf800_0000

/**
 * The guest-physical address space: regions with gaps between them, in ascending order. Addresses are exact numbers
 * below 2^53. Both sides of the machine use it; accesses outside the regions are refused, never wrapped.
 */
export class GuestMemory {
  readonly regions: readonly MemoryRegion[]
  /** Bytes of memory, gaps not counted. */
  readonly byteLength: number

  /** @throws MemoryError when regions overlap or are not page-aligned. */
  constructor(specs: readonly RegionSpec[]) {
    const regions = specs.map(toRegion).sort((a, b) => a.gpa - b.gpa)
    let end = 0
    let total = 0
    for (const { gpa, byteLength } of regions) {
      if (gpa % PAGE_SIZE !== 0 || byteLength % PAGE_SIZE !== 0 || byteLength === 0 || gpa + byteLength > 2 ** 52) {
        throw new MemoryError('bad-region', `region ${hex(gpa)} of ${byteLength} bytes is not whole pages below 2^52`)
      }
      if (gpa < end)
        throw new MemoryError('bad-region', `region at ${hex(gpa)} overlaps the one that ends at ${hex(end)}`)
      end = gpa + byteLength
      total += byteLength
    }
    this.regions = regions
    this.byteLength = total
  }

  /** Memory as a PC has it: from address 0 up to the device gap, the rest from 4 GiB on. */
  static allocate(byteLength: number, options: AllocateOptions = {}): GuestMemory {
    const kind = options.kind ?? 'wasm'
    const extents = memoryLayout(byteLength, options.gapBase)
    return new GuestMemory(
      extents.map((extent) => ({ gpa: extent.gpa, backing: createBacking(kind, extent.byteLength) })),
    )
  }

  /** The region that holds all of `length` bytes at `gpa` (at least the address itself when 0), or undefined. */
  regionAt(gpa: number, length: number): MemoryRegion | undefined {
    for (const region of this.regions) {
      const offset = gpa - region.gpa
      if (offset >= 0 && offset < region.byteLength) return offset + length <= region.byteLength ? region : undefined
    }
    return undefined
  }

  /** Whether all of `length` bytes at `gpa` is memory, within one region. */
  contains(gpa: number, length: number): boolean {
    return Number.isSafeInteger(gpa) && length >= 0 && this.regionAt(gpa, length) !== undefined
  }

  /**
   * A window on guest memory; stays valid as long as the memory.
   * @throws MemoryError `out-of-range` when some of it is not memory.
   */
  bytesAt(gpa: number, length: number): Uint8Array {
    const region = this.regionAt(gpa, length)
    if (region === undefined) throw new MemoryError('out-of-range', `no memory at ${hex(gpa)} for ${length} bytes`)
    const offset = gpa - region.gpa
    return region.bytes.subarray(offset, offset + length)
  }

  /** As {@link bytesAt}, for typed access. */
  viewAt(gpa: number, length: number): DataView {
    const bytes = this.bytesAt(gpa, length)
    return new DataView(bytes.buffer, bytes.byteOffset, length)
  }

  /** Copies guest memory out. @returns false, with nothing copied, when some of it is not memory. */
  read(gpa: number, target: Uint8Array): boolean {
    const region = this.regionAt(gpa, target.length)
    if (region === undefined) return false
    const offset = gpa - region.gpa
    target.set(region.bytes.subarray(offset, offset + target.length))
    return true
  }

  /** Copies into guest memory. @returns false, with nothing written, when some of it is not memory. */
  write(gpa: number, source: Uint8Array): boolean {
    const region = this.regionAt(gpa, source.length)
    if (region === undefined) return false
    region.bytes.set(source, gpa - region.gpa)
    return true
  }
}

/** Where a PC has that much memory: see {@link GuestMemory.allocate}. */
export function memoryLayout(
  byteLength: number,
  gapBase = DEFAULT_GAP_BASE,
): readonly { readonly gpa: number; readonly byteLength: number }[] {
  const low = { gpa: 0, byteLength: Math.min(byteLength, gapBase) }
  return byteLength > gapBase ? [low, { gpa: FOUR_GIB, byteLength: byteLength - gapBase }] : [low]
}

function toRegion({ gpa, backing }: RegionSpec): MemoryRegion {
  const { bytes, kind, wasm } = backing
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { gpa, byteLength: bytes.byteLength, bytes, view, kind, ...(wasm === undefined ? {} : { wasm }) }
}

function hex(address: number): string {
  return `0x${address.toString(16)}`
}
