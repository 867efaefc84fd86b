import { dirname, isAbsolute, relative, resolve, sep, win32 } from 'node:path'
import type { Backend } from '../backend.ts'
import { DiskImageError } from '../errors.ts'
import type { ParentPath } from '../virtual-disk.ts'
import { FileBackend } from './file-backend.ts'

/** Looks for a parent where the child says: relative to the child's own file first. */
export async function findParentFile(paths: readonly ParentPath[], child: Backend): Promise<Backend | undefined> {
  for (const candidate of candidates(paths, child.name)) {
    try {
      return await FileBackend.open(candidate, { readOnly: true, held: true })
    } catch (error) {
      if (!(error instanceof DiskImageError) || error.code !== 'not-found') throw error
    }
  }
  return undefined
}

/** How a child in one file names its parent in another, in Windows form. */
export function parentPaths(child: string, parent: string): ParentPath[] {
  const paths: ParentPath[] = []
  const way = relative(dirname(resolve(child)), resolve(parent))
  // Between drives there is no relative way.
  if (!isAbsolute(way))
    paths.push({ kind: 'relative', path: (way.startsWith('..') ? '' : '.\\') + way.split(sep).join('\\') })
  if (sep === '\\') paths.push({ kind: 'absolute', path: resolve(parent) })
  return paths
}

function* candidates(paths: readonly ParentPath[], child: string | undefined): Generator<string> {
  for (const kind of ['relative', 'absolute', 'volume'] as const) {
    for (const { path } of paths.filter((one) => one.kind === kind)) {
      const plain = path.replace(/^\\\\\?\\/, '')
      if (kind === 'relative' && child !== undefined) yield resolve(dirname(child), plain.replaceAll('\\', '/'))
      else if (kind === 'absolute' && (sep === '\\' || !win32.isAbsolute(plain) || plain.startsWith('/'))) yield plain
      else if (kind === 'volume' && sep === '\\') yield path
    }
  }
}
