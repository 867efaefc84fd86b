import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import type { OpenContext, ParentFinder } from './parent.ts'
import { roundUp, viewOf } from './shared/bytes.ts'
import type { Environment } from './shared/environment.ts'
import { platform } from './shared/environment.ts'
import { FlatDisk } from './shared/flat-disk.ts'
import { findFooter } from './vhd/image.ts'
import { openVhd } from './vhd/open.ts'
import { isVhdx } from './vhdx/file-identifier.ts'
import { HEADER_OFFSETS } from './vhdx/layout.ts'
import { openVhdx } from './vhdx/open.ts'
import type { ImageFormat, SectorSize, VirtualDisk } from './virtual-disk.ts'

export interface OpenOptions {
  /** Refuse changes. A VHDX with a log to replay is then replayed in memory. Default: as the backend is. */
  readOnly?: boolean
  /** Take the image as this format instead of looking. */
  format?: ImageFormat
  /** Logical sector size of a raw image, which cannot say it itself. Default 512. */
  rawSectorSize?: SectorSize
  /** Finds the parent of a differencing image. `openFile` brings one that looks in the file system. */
  findParent?: ParentFinder
  /**
   * Accept a VHD parent whose file was changed after the child was made, by its time stamp. Needed for chains that
   * were copied without their time stamps; wrong for parents that were written to.
   */
  ignoreParentTime?: boolean
  /** 16 bytes: the id of a VHDX's content (DataWriteGuid) from its first change on. Default random. */
  contentId?: Uint8Array
  /** Where ids and times come from. Default: the platform. */
  environment?: Environment
}

/**
 * Opens a disk image on any medium. The disk takes the backend over: closing the disk closes it, and it is
 * closed when opening fails.
 *
 * @throws DiskImageError `not-an-image`, `truncated`, `bad-checksum`, `corrupt`, `unsupported`, `parent-…`, `read-only`
 */
export async function open(backend: Backend, options: OpenOptions = {}): Promise<VirtualDisk> {
  try {
    return await openAs(backend, options)
  } catch (error) {
    await backend.close().catch(() => {})
    throw error
  }
}

/** The format of what lies on a medium: VHDX and VHD by their signatures, anything else raw. */
export async function detectFormat(backend: Backend): Promise<ImageFormat> {
  const start = new Uint8Array(8)
  const got = await backend.read(0, start)
  if (got === 8 && isVhdx(start)) return 'vhdx'
  return (await findFooter(backend)) === undefined ? 'raw' : 'vhd'
}

async function openAs(backend: Backend, options: OpenOptions): Promise<VirtualDisk> {
  const readOnly = options.readOnly ?? backend.readOnly ?? false
  if (!readOnly && backend.readOnly === true) {
    throw new DiskImageError('read-only', 'the medium is read-only; open the image with readOnly')
  }
  const format = options.format ?? (await detectFormat(backend))
  if (format === 'raw') {
    if (options.format === undefined) await refuseDamagedVhdx(backend)
    return openRaw(backend, readOnly, options.rawSectorSize ?? 512)
  }
  return openImage(backend, format, {
    readOnly,
    environment: options.environment ?? platform,
    findParent: options.findParent,
    ignoreParentTime: options.ignoreParentTime ?? false,
    contentId: options.contentId,
    media: [],
    depth: 0,
    openImage,
  })
}

async function openImage(backend: Backend, format: ImageFormat, context: OpenContext): Promise<VirtualDisk> {
  switch (format) {
    case 'raw':
      return openRaw(backend, context.readOnly, 512)
    case 'vhd': {
      const found = await findFooter(backend)
      if (found === undefined)
        throw new DiskImageError('not-an-image', 'no VHD: there is a footer neither at the end nor at the start')
      return openVhd(backend, found, context)
    }
    case 'vhdx': {
      const start = new Uint8Array(8)
      await backend.read(0, start)
      if (!isVhdx(start)) throw new DiskImageError('not-an-image', 'no VHDX: the file does not begin with "vhdxfile"')
      return openVhdx(backend, context)
    }
  }
}

async function openRaw(backend: Backend, readOnly: boolean, sectorSize: SectorSize): Promise<VirtualDisk> {
  const size = await backend.size()
  if (size === 0) throw new DiskImageError('not-an-image', 'the file is empty')
  return new FlatDisk(backend, {
    format: 'raw',
    // The last sector may be short in the file; what is missing reads as zero, and writing it completes it.
    sizeBytes: roundUp(size, sectorSize),
    logicalSectorSize: sectorSize,
    physicalSectorSize: sectorSize,
    diskId: new Uint8Array(16),
    readOnly,
    describe: () => ({}),
    checkSize: (bytes) => checkRawSize(bytes, sectorSize),
    resizeFile: async (bytes) => {
      await backend.truncate(bytes)
      await backend.flush()
    },
  })
}

/** Throws for a disk size no raw image with such sectors can have. */
export function checkRawSize(sizeBytes: number, sectorSize: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorSize !== 0) {
    throw new DiskImageError(
      'invalid-option',
      `disk size ${sizeBytes} is not a whole number of ${sectorSize}-byte sectors`,
    )
  }
}

/** A VHDX whose first sector was overwritten must not be taken for a raw disk and written to. */
async function refuseDamagedVhdx(backend: Backend): Promise<void> {
  const signature = new Uint8Array(4)
  for (const offset of HEADER_OFFSETS) {
    if ((await backend.read(offset, signature)) < 4 || viewOf(signature).getUint32(0) !== 0x68656164) return
  }
  throw new DiskImageError(
    'corrupt',
    'the file has VHDX headers but does not begin with "vhdxfile"; open it with format "raw" if it is a raw disk after all',
  )
}
