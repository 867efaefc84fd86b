import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { OpenContext } from '../parent.ts'
import { mustMatchParent, openParent } from '../parent.ts'
import { BlockDisk } from '../shared/block-disk.ts'
import { formatGuid, parseGuid } from '../shared/guid.ts'
import type { ParentPath, VirtualDisk } from '../virtual-disk.ts'
import { readVhdx } from './image.ts'
import { decodeParentLocator, KEYS } from './parent-locator.ts'
import { VhdxStore } from './store.ts'

export async function openVhdx(medium: Backend, context: OpenContext): Promise<VirtualDisk> {
  const image = await readVhdx(medium, context)
  const { metadata, headers } = image
  const locator = metadata.parentLocator === undefined ? undefined : readLocator(metadata.parentLocator)
  const parent = locator === undefined ? undefined : await openVhdxParent(medium, locator, context)
  if (parent !== undefined) mustMatchParent(metadata, parent)
  return new BlockDisk({
    backend: image.backend,
    store: new VhdxStore(image, context.environment, context.depth === 0 ? context.contentId : undefined),
    format: 'vhdx',
    type: parent !== undefined ? 'differencing' : metadata.leaveBlocksAllocated ? 'fixed' : 'dynamic',
    sizeBytes: metadata.diskSize,
    logicalSectorSize: metadata.logicalSectorSize,
    physicalSectorSize: metadata.physicalSectorSize,
    diskId: metadata.diskId,
    readOnly: context.readOnly,
    parent,
    describe: () => ({
      diskId: formatGuid(metadata.diskId),
      creator: image.creator,
      linkage: formatGuid(headers.current.dataWriteGuid),
      parent: locator === undefined ? undefined : { linkage: locator.linkages[0] ?? '', paths: locator.paths },
    }),
  })
}

export interface VhdxLocator {
  /** Names of the parent's content, either of which it may have. */
  linkages: string[]
  paths: ParentPath[]
}

export function readLocator(item: Uint8Array): VhdxLocator {
  const pairs = decodeParentLocator(item)
  const linkages: string[] = []
  for (const key of [KEYS.linkage, KEYS.linkage2]) {
    const text = pairs.get(key)
    if (text === undefined) continue
    const guid = parseGuid(text)
    if (guid === undefined) throw new DiskImageError('corrupt', `VHDX parent locator: ${key} "${text}" is no GUID`)
    linkages.push(formatGuid(guid))
  }
  if (linkages.length === 0)
    throw new DiskImageError('corrupt', `VHDX parent locator: no ${KEYS.linkage}, so the parent cannot be told`)
  const paths: ParentPath[] = []
  for (const [kind, key] of [
    ['relative', KEYS.relative],
    ['absolute', KEYS.absolute],
    ['volume', KEYS.volume],
  ] as const) {
    const path = pairs.get(key)
    if (path !== undefined) paths.push({ kind, path })
  }
  return { linkages, paths }
}

function openVhdxParent(medium: Backend, { linkages, paths }: VhdxLocator, context: OpenContext): Promise<VirtualDisk> {
  return openParent(medium, 'vhdx', paths, context, async (parent, parentMedium) => {
    const { linkage } = await parent.info()
    if (linkage !== undefined && linkages.includes(linkage)) return
    throw new DiskImageError(
      'parent-mismatch',
      `the parent ${parentMedium.name ?? 'found'} has content ${linkage}, but the child was made on ${linkages.join(' or ')}: it was changed since, or is another image`,
    )
  })
}
