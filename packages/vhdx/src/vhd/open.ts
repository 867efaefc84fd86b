import { BlockDisk } from '../shared/block-disk.ts'
import { DiskImageError } from '../errors.ts'
import { FlatDisk } from '../shared/flat-disk.ts'
import { checkVhdSize } from './create.ts'
import { VHD_TYPE } from './footer.ts'
import { checkFooter, readDynamicHeader } from './image.ts'
import { resizeFixedVhd } from './resize-fixed.ts'
import { VhdStore } from './store.ts'
import type { Backend } from '../backend.ts'
import type { VirtualDisk } from '../virtual-disk.ts'
import type { FoundFooter } from './image.ts'

export async function openVhd(backend: Backend, found: FoundFooter, options: { readOnly: boolean }): Promise<VirtualDisk> {
  checkFooter(found, await backend.size())
  const { footer } = found
  const shape = {
    format: 'vhd',
    // Always the current size, as Hyper-V and Azure read it; CHS only rounds it down.
    sizeBytes: footer.currentSize,
    logicalSectorSize: 512,
    physicalSectorSize: 512,
    diskId: footer.uniqueId,
    readOnly: options.readOnly,
  } as const
  if (footer.type === VHD_TYPE.fixed) {
    return new FlatDisk(backend, {
      ...shape,
      checkSize: checkVhdSize,
      resizeFile: (sizeBytes, before) => resizeFixedVhd(backend, footer, sizeBytes, before),
    })
  }
  const header = await readDynamicHeader(backend, footer)
  if (footer.type === VHD_TYPE.differencing) throw new DiskImageError('unsupported', 'a differencing VHD')
  return new BlockDisk({ ...shape, backend, type: 'dynamic', store: new VhdStore(backend, found, header) })
}
