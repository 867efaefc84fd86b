import type { BlockDevice, BlockGeometry } from '@bis/hyperv-types'

/** Something that bytes can be read from at any offset: a disk, a partition, a file. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array>

/** As much of a {@link BlockDevice} as reading needs. */
export interface ReadableDisk extends Pick<BlockDevice, 'name'> {
  readonly geometry: Pick<BlockGeometry, 'blockSize' | 'blockCount'>
  /** Reads whole blocks. @throws DeviceError */
  read(offset: number, target: Uint8Array): Promise<void>
}

/** A view for big and little-endian access on all of an array. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
