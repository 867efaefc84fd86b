import { azureSize } from './azure.ts'
import type { Backend } from './backend.ts'
import { copyDisk } from './copy.ts'
import type { CreateOptions } from './create.ts'
import { create } from './create.ts'
import { DiskImageError } from './errors.ts'
import { roundUp } from './shared/bytes.ts'
import type { TaskOptions } from './task.ts'
import type { ImageFormat, VirtualDisk } from './virtual-disk.ts'

export interface ConvertOptions
  extends TaskOptions,
    Pick<CreateOptions, 'type' | 'blockSize' | 'physicalSectorSize' | 'diskId' | 'environment'> {
  /** Default `vhdx`. */
  format?: ImageFormat
  /** Make what Azure takes: a fixed VHD of whole MiB, the disk grown to that with zeros. */
  azure?: boolean
}

/**
 * Copies a disk into a new image on an empty medium, with parents looked through and without zeros where the new image
 * need not hold them: holes stay holes. Closes the new image, not the source.
 *
 * @throws DiskImageError `invalid-option` when the new format cannot hold the disk, and all of `create`; the signal's reason
 */
export async function convert(source: VirtualDisk, target: Backend, options: ConvertOptions = {}): Promise<void> {
  const { signal, onProgress, azure, ...settings } = options
  if (azure === true && ((options.format ?? 'vhd') !== 'vhd' || (options.type ?? 'fixed') !== 'fixed')) {
    await target.close().catch(() => {})
    throw new DiskImageError('invalid-option', 'Azure takes fixed VHD images only')
  }
  const format = azure === true ? 'vhd' : (options.format ?? 'vhdx')
  if (format === 'vhd' && source.logicalSectorSize !== 512) {
    await target.close().catch(() => {})
    throw new DiskImageError(
      'invalid-option',
      `the disk has sectors of ${source.logicalSectorSize} bytes and a VHD has 512: its partition table and file systems would not be found; copy their content instead`,
    )
  }
  const type = azure === true || format === 'raw' ? 'fixed' : options.type
  const disk = await create(target, {
    ...settings,
    format,
    ...(type === undefined ? {} : { type }),
    sizeBytes: azure === true ? azureSize(source.sizeBytes) : roundUp(source.sizeBytes, source.logicalSectorSize),
    ...(format === 'vhd' ? {} : { logicalSectorSize: source.logicalSectorSize }),
    ...(format === 'vhdx' ? { physicalSectorSize: options.physicalSectorSize ?? source.physicalSectorSize } : {}),
  })
  try {
    await copyDisk(source, disk, {
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    await disk.flush()
  } finally {
    await disk.close()
  }
}
