import type { Backend } from '../backend.ts'
import type { ImageInfo, VirtualDisk } from '../virtual-disk.ts'

/** The part of an image's description that only its format knows. */
export type ImageDescription = Partial<Pick<ImageInfo, 'diskId' | 'creator' | 'linkage' | 'parent' | 'geometry'>>

export async function imageInfo(disk: VirtualDisk, backend: Backend, own: ImageDescription): Promise<ImageInfo> {
  const { format, type, sizeBytes, logicalSectorSize, physicalSectorSize, blockSize } = disk
  return {
    format,
    type,
    sizeBytes,
    logicalSectorSize,
    physicalSectorSize,
    blockSize,
    fileBytes: await backend.size(),
    diskId: own.diskId,
    creator: own.creator,
    linkage: own.linkage,
    parent: own.parent,
    geometry: own.geometry,
  }
}
