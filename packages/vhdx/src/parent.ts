import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import type { Environment } from './shared/environment.ts'
import type { ImageFormat, ParentPath, VirtualDisk } from './virtual-disk.ts'

/** Longest chain of parents that is followed. */
export const MAX_CHAIN = 256

/**
 * Finds the medium of a parent. Called with the places the child knows and the child's own medium;
 * gives undefined when it is at none of them.
 */
export type ParentFinder = (paths: readonly ParentPath[], child: Backend) => Promise<Backend | undefined>

/** What opening needs to know besides the medium; the same all down a chain but for the way so far. */
export interface OpenContext {
  readOnly: boolean
  environment: Environment
  findParent: ParentFinder | undefined
  ignoreParentTime: boolean
  contentId: Uint8Array | undefined
  /** Identities of the media on the way here, from the leaf down. */
  media: readonly string[]
  depth: number
  /** Opens an image of a known format on a medium. */
  openImage(medium: Backend, format: ImageFormat, context: OpenContext): Promise<VirtualDisk>
}

/** Opens the parent of the image on `child` for reading, and hands it to `check` before it counts. */
export async function openParent(
  child: Backend,
  format: ImageFormat,
  paths: readonly ParentPath[],
  context: OpenContext,
  check: (parent: VirtualDisk, medium: Backend) => Promise<void>,
): Promise<VirtualDisk> {
  if (context.depth >= MAX_CHAIN) {
    throw new DiskImageError(
      'parent-cycle',
      `more than ${MAX_CHAIN} parents, one behind the other; a chain that long is a mistake`,
    )
  }
  const medium = await context.findParent?.(paths, child)
  if (medium === undefined) {
    const known = paths.map(({ kind, path }) => `${kind} ${path}`).join(', ') || 'it names no place'
    throw new DiskImageError(
      'parent-missing',
      `the parent of this differencing image was not found (${known}); put it back in its place, or say where it is with findParent`,
    )
  }
  let parent: VirtualDisk | undefined
  try {
    const media = child.identity === undefined ? context.media : [...context.media, child.identity]
    if (medium.identity !== undefined && media.includes(medium.identity)) {
      throw new DiskImageError(
        'parent-cycle',
        `the parent ${medium.name ?? ''} is one of the image's own children: the chain goes round`,
      )
    }
    parent = await context.openImage(medium, format, { ...context, readOnly: true, media, depth: context.depth + 1 })
    await check(parent, medium)
    return parent
  } catch (error) {
    await (parent ?? medium).close().catch(() => {})
    throw error
  }
}

/** @throws DiskImageError `parent-mismatch` when the two cannot be read through each other */
export function mustMatchParent(child: { logicalSectorSize: number }, parent: VirtualDisk): void {
  if (parent.logicalSectorSize === child.logicalSectorSize) return
  throw new DiskImageError(
    'parent-mismatch',
    `the parent has logical sectors of ${parent.logicalSectorSize} bytes and the child of ${child.logicalSectorSize}; the format demands the same`,
  )
}
