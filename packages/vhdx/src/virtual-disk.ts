import type { TaskOptions } from './task.ts'

export type ImageFormat = 'raw' | 'vhd' | 'vhdx'
export type ImageType = 'fixed' | 'dynamic' | 'differencing'
export type SectorSize = 512 | 4096

/** Where a child says its parent is: relative to the child, as an absolute path, or on a volume named by its id. */
export interface ParentPath {
  kind: 'relative' | 'absolute' | 'volume'
  /** As stored: in Windows form, with backslashes. */
  path: string
}

/**
 * A part of the disk of one kind. `zero` is known to read as zero from the map alone; `data` may hold anything;
 * `parent` is not in this image but in its parent.
 */
export interface Extent {
  offset: number
  length: number
  kind: 'data' | 'zero' | 'parent'
}

export interface ExtentOptions {
  /** Do not look into the parent. */
  own?: boolean
  /** Default 0. */
  offset?: number
  /** Default: to the end of the disk. */
  length?: number
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
  /**
   * The allocation map, in order and without gaps, from the map structures alone: no content is read.
   * Changes made meanwhile may or may not show. With `own`, what the parent holds is one kind; else it is looked up there.
   * Of the whole disk, or of the part given.
   */
  extents(options?: ExtentOptions): AsyncGenerator<Extent, void, undefined>
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
  /**
   * Gives space back: blocks that hold only zeros lose theirs, the others move to the front of the file, and the file is
   * cut. The disk may be used meanwhile, though not by much. Gives the file's size before and after.
   */
  compact(options?: TaskOptions): Promise<{ before: number; after: number }>
  /** Flushes, leaves the image clean and closes the medium. A second call does nothing. */
  close(): Promise<void>
}
