import type { Backend } from './backend.ts'
import { DiskImageError } from './errors.ts'
import { open } from './open.ts'
import type { ParentFinder } from './parent.ts'
import { BlockDisk } from './shared/block-disk.ts'
import { MIB } from './shared/bytes.ts'
import type { Environment } from './shared/environment.ts'
import { platform } from './shared/environment.ts'
import { randomGuid } from './shared/guid.ts'
import type { TaskOptions } from './task.ts'
import { step } from './task.ts'
import type { VirtualDisk } from './virtual-disk.ts'

export interface MergeOptions extends TaskOptions {
  /** Finds the parent's own parent, if it has one. */
  findParent?: ParentFinder
  ignoreParentTime?: boolean
  environment?: Environment
}

const BUFFER = 2 * MIB

/**
 * Writes what a differencing image holds into its parent, which then holds what the child showed. At every moment, a
 * crash included, the child is good on its parent (a VHD child may need `ignoreParentTime`) and the merge can be
 * repeated. Afterwards the child is no longer needed; other children of the parent are worthless.
 * Closes both media.
 *
 * @throws DiskImageError `invalid-option` when there is no parent, and all of `open`; the signal's reason
 */
export async function merge(child: Backend, parent: Backend, options: MergeOptions = {}): Promise<void> {
  const environment = options.environment ?? platform
  const { ignoreParentTime = false } = options
  const findGrandparent = options.findParent
  let top: VirtualDisk
  try {
    let depth = 0
    const findParent: ParentFinder = async (paths, medium) =>
      depth++ === 0 ? shared(parent) : findGrandparent?.(paths, medium)
    top = await open(child, { environment, ignoreParentTime, findParent })
  } catch (error) {
    await parent.close().catch(() => {})
    throw error
  }
  let bottom: VirtualDisk | undefined
  try {
    if (!(top instanceof BlockDisk) || top.parent === undefined)
      throw new DiskImageError('invalid-option', 'the image has no parent to merge it into')
    const content = randomGuid(environment)
    await top.expectParent(content)
    bottom = await open(parent, {
      environment,
      ignoreParentTime,
      contentId: content,
      ...(findGrandparent === undefined ? {} : { findParent: findGrandparent }),
    })
    if (bottom.sizeBytes !== top.sizeBytes) await bottom.resize(top.sizeBytes)
    await copyOwn(top, bottom, options)
    await bottom.flush()
  } finally {
    await top.close()
    await (bottom ?? parent).close()
  }
}

async function copyOwn(child: VirtualDisk, parent: VirtualDisk, options: TaskOptions): Promise<void> {
  const buffer = new Uint8Array(BUFFER)
  for await (const extent of child.extents({ own: true })) {
    step(options, extent.offset, child.sizeBytes)
    if (extent.kind === 'zero') await parent.writeZeroes(extent.offset, extent.length)
    if (extent.kind !== 'data') continue
    for (let done = 0; done < extent.length; done += buffer.length) {
      step(options, extent.offset + done, child.sizeBytes)
      const part = buffer.subarray(0, Math.min(buffer.length, extent.length - done))
      await child.read(extent.offset + done, part)
      await parent.write(extent.offset + done, part)
    }
  }
  step(options, child.sizeBytes, child.sizeBytes)
}

/** The parent's medium for reading through the child, left open when that closes. */
function shared(medium: Backend): Backend {
  return {
    readOnly: true,
    ...(medium.name === undefined ? {} : { name: medium.name }),
    ...(medium.identity === undefined ? {} : { identity: medium.identity }),
    ...(medium.modifiedAt === undefined ? {} : { modifiedAt: () => medium.modifiedAt?.() ?? Promise.resolve(0) }),
    read: (offset, buffer) => medium.read(offset, buffer),
    write: () => Promise.reject(new DiskImageError('read-only', 'the parent is open for reading here')),
    truncate: () => Promise.reject(new DiskImageError('read-only', 'the parent is open for reading here')),
    flush: async () => {},
    size: () => medium.size(),
    close: async () => {},
  }
}
