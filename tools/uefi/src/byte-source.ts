/** Something that bytes can be read from at any offset: a disk, a partition, a file. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array>

/** A view for big and little-endian access on all of an array. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
