import { DiskImageError } from '../errors.ts'
import type { VirtualDisk } from '../virtual-disk.ts'

type Extent = Pick<VirtualDisk, 'sizeBytes' | 'logicalSectorSize'>

/**
 * Throws unless offset and length are whole sectors inside the disk. Made right before the access,
 * in the same turn, so that a resize cannot come between.
 */
export function checkRange(disk: Extent, offset: number, length: number): void {
  const sector = disk.logicalSectorSize
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    length > disk.sizeBytes - offset
  ) {
    throw new DiskImageError(
      'out-of-range',
      `offset ${offset} length ${length} is not inside the disk of ${disk.sizeBytes} bytes`,
    )
  }
  if (offset % sector !== 0 || length % sector !== 0) {
    throw new DiskImageError(
      'unaligned',
      `offset ${offset} length ${length} is not a whole number of ${sector}-byte sectors`,
    )
  }
}

export function mustBeWritable(disk: { readonly readOnly: boolean }): void {
  if (disk.readOnly) {
    throw new DiskImageError('read-only', 'the image is open for reading only; open it without readOnly to change it')
  }
}
