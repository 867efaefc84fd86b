import { BlockDisk } from '../shared/block-disk.ts'
import { DiskImageError } from '../errors.ts'
import { readVhdx } from './image.ts'
import { VhdxStore } from './store.ts'
import type { Backend } from '../backend.ts'
import type { Environment } from '../shared/environment.ts'
import type { VirtualDisk } from '../virtual-disk.ts'

export async function openVhdx(medium: Backend, options: { readOnly: boolean; environment: Environment }): Promise<VirtualDisk> {
  const image = await readVhdx(medium, options)
  const { metadata } = image
  if (metadata.hasParent) throw new DiskImageError('unsupported', 'a differencing VHDX')
  return new BlockDisk({
    backend: image.backend,
    store: new VhdxStore(image, options.environment),
    format: 'vhdx',
    type: metadata.leaveBlocksAllocated ? 'fixed' : 'dynamic',
    sizeBytes: metadata.diskSize,
    logicalSectorSize: metadata.logicalSectorSize,
    physicalSectorSize: metadata.physicalSectorSize,
    diskId: metadata.diskId,
    readOnly: options.readOnly,
  })
}
