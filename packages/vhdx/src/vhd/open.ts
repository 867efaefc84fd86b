import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { OpenContext } from '../parent.ts'
import { openParent } from '../parent.ts'
import { BlockDisk } from '../shared/block-disk.ts'
import { FlatDisk } from '../shared/flat-disk.ts'
import { formatUuid, sameBytes } from '../shared/guid.ts'
import type { ParentPath, VirtualDisk } from '../virtual-disk.ts'
import { checkVhdSize } from './create.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { VHD_TYPE, vhdTime } from './footer.ts'
import type { Chs } from './geometry.ts'
import type { FoundFooter } from './image.ts'
import { checkFooter, readDynamicHeader } from './image.ts'
import { readVhdParentPaths } from './parent-locator.ts'
import { resizeFixedVhd } from './resize-fixed.ts'
import { VhdStore } from './store.ts'

/** Time stamps of files lose some precision on their way: FAT keeps every other second. */
const TIME_TOLERANCE_S = 2

export async function openVhd(backend: Backend, found: FoundFooter, context: OpenContext): Promise<VirtualDisk> {
  checkFooter(found, await backend.size())
  const { footer } = found
  const shape = {
    format: 'vhd',
    // Always the current size, as Hyper-V and Azure read it; CHS only rounds it down.
    sizeBytes: footer.currentSize,
    logicalSectorSize: 512,
    physicalSectorSize: 512,
    diskId: footer.uniqueId,
    readOnly: context.readOnly,
  } as const
  const id = formatUuid(footer.uniqueId)
  const describe = {
    diskId: id,
    linkage: id,
    creator: footer.creatorApp.replace(/[\0 ]+$/, ''),
    geometry: chsOf(footer),
  }
  if (footer.type === VHD_TYPE.fixed) {
    return new FlatDisk(backend, {
      ...shape,
      describe: () => describe,
      checkSize: checkVhdSize,
      resizeFile: (sizeBytes, before) => resizeFixedVhd(backend, footer, sizeBytes, before),
    })
  }
  const header = await readDynamicHeader(backend, footer)
  const store = new VhdStore(backend, found, header)
  const geometry = () => ({ geometry: store.geometry })
  if (footer.type === VHD_TYPE.dynamic) {
    return new BlockDisk({
      ...shape,
      backend,
      store,
      type: 'dynamic',
      parent: undefined,
      describe: () => ({ ...describe, ...geometry() }),
    })
  }
  const paths = await readVhdParentPaths(backend, header)
  const parent = await openVhdParent(backend, header, paths, context)
  return new BlockDisk({
    ...shape,
    backend,
    store,
    type: 'differencing',
    parent,
    describe: () => ({ ...describe, ...geometry(), parent: { linkage: formatUuid(header.parentId), paths } }),
  })
}

function chsOf({ cylinders, heads, sectorsPerTrack }: Chs): Chs {
  return { cylinders, heads, sectorsPerTrack }
}

function openVhdParent(
  backend: Backend,
  header: DynamicHeader,
  paths: ParentPath[],
  context: OpenContext,
): Promise<VirtualDisk> {
  return openParent(backend, 'vhd', paths, context, async (parent, medium) => {
    const name = medium.name ?? 'found'
    if (!sameBytes(parent.diskId, header.parentId)) {
      throw new DiskImageError(
        'parent-mismatch',
        `the parent ${name} has id ${formatUuid(parent.diskId)}, but the child was made on ${formatUuid(header.parentId)}: it is another image`,
      )
    }
    const modified = await medium.modifiedAt?.()
    if (context.ignoreParentTime || modified === undefined || header.parentTimestamp === 0) return
    const time = vhdTime(modified)
    if (Math.abs(time - header.parentTimestamp) > TIME_TOLERANCE_S) {
      throw new DiskImageError(
        'parent-mismatch',
        `the parent ${name} was changed at ${time}, but the child was made on it as of ${header.parentTimestamp} (seconds since 2000); if it was only copied, open with ignoreParentTime`,
      )
    }
  })
}
