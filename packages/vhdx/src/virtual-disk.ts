export type ImageFormat = 'raw' | 'vhd' | 'vhdx'
export type ImageType = 'fixed' | 'dynamic' | 'differencing'
export type SectorSize = 512 | 4096

/** Where a child says its parent is: relative to the child, as an absolute path, or on a volume named by its id. */
export interface ParentPath {
  kind: 'relative' | 'absolute' | 'volume'
  /** As stored: in Windows form, with backslashes. */
  path: string
}

/** What is known of an image beside its content. */
export interface ImageInfo {
  format: ImageFormat
  type: ImageType
  sizeBytes: number
  /** Size of the file, to its end; what it takes on the medium may be less. */
  fileBytes: number
  logicalSectorSize: SectorSize
  physicalSectorSize: SectorSize
  blockSize: number
  /** The disk id as text; undefined for raw. */
  diskId: string | undefined
  /** The program that made the image, as it named itself. */
  creator: string | undefined
  /** The id by which children know this image's content: VHDX DataWriteGuid, VHD unique id. */
  linkage: string | undefined
  /** What a differencing image says of its parent. */
  parent: { linkage: string; paths: ParentPath[] } | undefined
  /** Cylinders, heads and sectors a VHD footer tells. */
  geometry: { cylinders: number; heads: number; sectorsPerTrack: number } | undefined
}

/**
 * An open disk image, seen as the disk it holds.
 *
 * Calls may overlap. A read that overlaps a write in time gives old or new data, sector by sector.
 * A write is stable once a `flush` that began after the write resolved has resolved; before that it may
 * be lost in a crash, but never replaces other sectors and never lets foreign data appear.
 *
 * Offsets and lengths are bytes and whole logical sectors (`unaligned` otherwise), within the disk (`out-of-range` otherwise).
 */
export interface VirtualDisk extends AsyncDisposable {
  readonly format: ImageFormat
  readonly type: ImageType
  /** Size of the disk, not of the file. Changes with `resize`. */
  readonly sizeBytes: number
  readonly logicalSectorSize: SectorSize
  readonly physicalSectorSize: SectorSize
  /** Allocation unit: `trim` frees whole blocks. Where nothing is allocated in blocks, the physical sector size. */
  readonly blockSize: number
  /** 16 bytes: VHDX virtual disk id (SCSI page 83h), VHD unique id; zeros for raw. As they lie in the file. */
  readonly diskId: Uint8Array
  readonly readOnly: boolean
  /** The parent of a differencing image, open for reading; closed with this disk. */
  readonly parent: VirtualDisk | undefined

  info(): Promise<ImageInfo>
  /** Fills `buffer` from the disk. What was never written, or was trimmed, reads as zero (of a child: as the parent has it). */
  read(offset: number, buffer: Uint8Array): Promise<void>
  /** Writes the buffer. It must not change until the promise settles. */
  write(offset: number, buffer: Uint8Array): Promise<void>
  /** Makes every write, trim and zeroing that resolved before this call stable. */
  flush(): Promise<void>
  /**
   * Says that the content of a range no longer matters. Whole blocks are given back and read as zero;
   * parts of blocks, and all of a fixed image, stay as they are. Never makes a parent's data visible.
   */
  trim(offset: number, length: number): Promise<void>
  /** Makes a range read as zero, giving space back where whole blocks allow it. */
  writeZeroes(offset: number, length: number): Promise<void>
  /**
   * Changes the size of the disk, while it is in use: stable when it resolves. What is added reads as zero;
   * what is cut off is lost. I/O waits meanwhile.
   *
   * @throws DiskImageError `invalid-option` for a size the format does not allow, `unsupported` for a differencing VHD
   */
  resize(sizeBytes: number): Promise<void>
  /** Flushes, leaves the image clean and closes the medium. A second call does nothing. */
  close(): Promise<void>
}
