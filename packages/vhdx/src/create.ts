import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import { checkRawSize, open } from './open.ts'
import type { Environment } from './shared/environment.ts'
import { platform } from './shared/environment.ts'
import { createVhd } from './vhd/create.ts'
import { createVhdx } from './vhdx/create.ts'
import type { ImageFormat, SectorSize, VirtualDisk } from './virtual-disk.ts'

export interface CreateOptions {
  /** Default `vhdx`. */
  format?: ImageFormat
  /** Default `dynamic`; raw images are always fixed. For differencing images see `createChild`. */
  type?: 'fixed' | 'dynamic'
  /** Size of the disk in bytes, a whole number of logical sectors: up to 64 TiB for VHDX, 2040 GiB for VHD. */
  sizeBytes: number
  /** Allocation unit in bytes, a power of two. VHDX 1–256 MiB, default 2 MiB (32 MiB above 4 TiB); VHD default 2 MiB. */
  blockSize?: number
  /** VHDX and raw: 512 (default) or 4096. VHD: 512. */
  logicalSectorSize?: SectorSize
  /** VHDX: 512 or 4096 (default). */
  physicalSectorSize?: SectorSize
  /** 16 bytes; default random. */
  diskId?: Uint8Array
  /** Where ids and times come from. Default: the platform. */
  environment?: Environment
}

/**
 * Makes a new image on an empty medium and opens it for writing. The disk takes the backend over, as in `open`.
 *
 * @throws DiskImageError `invalid-option`, `exists` (the medium is not empty), `out-of-space`
 */
export async function create(backend: Backend, options: CreateOptions): Promise<VirtualDisk> {
  const environment = options.environment ?? platform
  const format = options.format ?? 'vhdx'
  try {
    if ((await backend.size()) > 0) throw new DiskImageError('exists', 'the medium to create an image on is not empty')
    await write(backend, format, options, environment)
  } catch (error) {
    await backend.close().catch(() => {})
    throw error
  }
  return open(backend, { format, environment, rawSectorSize: options.logicalSectorSize ?? 512 })
}

async function write(
  backend: Backend,
  format: ImageFormat,
  options: CreateOptions,
  environment: Environment,
): Promise<void> {
  switch (format) {
    case 'vhdx':
      return createVhdx(backend, { ...options, type: options.type ?? 'dynamic' }, environment)
    case 'vhd':
      if (options.logicalSectorSize === 4096 || options.physicalSectorSize === 4096) {
        throw new DiskImageError('invalid-option', 'sector size 4096: a VHD always has sectors of 512 bytes; use VHDX')
      }
      return createVhd(backend, { ...options, type: options.type ?? 'dynamic' }, environment)
    case 'raw':
      return createRaw(backend, options)
  }
}

async function createRaw(backend: Backend, options: CreateOptions): Promise<void> {
  const sector = options.logicalSectorSize ?? 512
  if (options.type === 'dynamic')
    throw new DiskImageError('invalid-option', 'a raw image has no map and cannot be dynamic')
  checkRawSize(options.sizeBytes, sector)
  await backend.truncate(options.sizeBytes)
  await backend.flush()
}
