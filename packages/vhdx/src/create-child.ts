import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import { open } from './open.ts'
import type { ParentFinder } from './parent.ts'
import { MIB } from './shared/bytes.ts'
import type { Environment } from './shared/environment.ts'
import { platform } from './shared/environment.ts'
import { createVhd } from './vhd/create.ts'
import { vhdTime } from './vhd/footer.ts'
import { createVhdx } from './vhdx/create.ts'
import { encodeParentLocator, KEYS } from './vhdx/parent-locator.ts'
import type { ParentPath, VirtualDisk } from './virtual-disk.ts'

export interface CreateChildOptions {
  /** The parent, open for reading; it is closed when it has told what is needed of it. */
  parent: VirtualDisk
  /** Where the child will look for its parent. */
  paths: readonly ParentPath[]
  /** How the child's parent is opened again, now and for reading through it. */
  findParent: ParentFinder
  /** When the parent's file last changed, in milliseconds since 1970; kept in a VHD child. */
  parentModifiedAt?: number
  /** Allocation unit of the child. Default 2 MiB. */
  blockSize?: number
  /** Where ids and times come from. Default: the platform. */
  environment?: Environment
}

/**
 * Makes an empty child of an image on an empty medium and opens it: it holds what the parent holds until it is written to.
 * From then on the parent must not change, or the child is worthless.
 *
 * @throws DiskImageError `invalid-option`, `exists`, `unsupported` (a raw parent), and all of `open`
 */
export async function createChild(backend: Backend, options: CreateChildOptions): Promise<VirtualDisk> {
  const environment = options.environment ?? platform
  const { parent } = options
  try {
    if ((await backend.size()) > 0) throw new DiskImageError('exists', 'the medium to create an image on is not empty')
    await write(backend, options, environment)
  } catch (error) {
    await backend.close().catch(() => {})
    throw error
  } finally {
    await parent.close()
  }
  return open(backend, { format: parent.format, environment, findParent: options.findParent })
}

async function write(backend: Backend, options: CreateChildOptions, environment: Environment): Promise<void> {
  const { parent, paths, blockSize = 2 * MIB } = options
  const { linkage } = await parent.info()
  switch (parent.format) {
    case 'raw':
      throw new DiskImageError(
        'unsupported',
        'a raw image has no id by which a child could know it; convert it to VHDX or VHD first',
      )
    case 'vhdx': {
      const pairs = new Map<string, string>([[KEYS.linkage, `{${linkage}}`]])
      const keys = { relative: KEYS.relative, absolute: KEYS.absolute, volume: KEYS.volume }
      for (const { kind, path } of paths) pairs.set(keys[kind], path)
      return createVhdx(
        backend,
        {
          type: 'differencing',
          parentLocator: encodeParentLocator(pairs),
          sizeBytes: parent.sizeBytes,
          blockSize,
          logicalSectorSize: parent.logicalSectorSize,
          physicalSectorSize: parent.physicalSectorSize,
          // The disk stays the same disk to its guest.
          diskId: parent.diskId,
        },
        environment,
      )
    }
    case 'vhd': {
      const name = paths[0]?.path.split('\\').at(-1) ?? ''
      const timestamp = options.parentModifiedAt === undefined ? 0 : vhdTime(options.parentModifiedAt)
      return createVhd(
        backend,
        {
          type: 'differencing',
          parent: { id: parent.diskId, timestamp, name, paths },
          sizeBytes: parent.sizeBytes,
          blockSize,
        },
        environment,
      )
    }
  }
}
