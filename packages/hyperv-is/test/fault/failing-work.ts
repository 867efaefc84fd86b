import { chmod, writeFile } from 'node:fs/promises'
import type { FileWork } from '../../src/node/file-work.ts'
import { realFileWork } from '../../src/node/file-work.ts'

/** Never fails. */
export const NEVER = Number.POSITIVE_INFINITY

/**
 * - `fails`: one operation, as when the disk is full for a moment;
 * - `crashes`: this one and every later one, as when the process is gone;
 * - `tears`: as `crashes`, but what was to be written is there by half.
 */
export type Way = 'fails' | 'crashes' | 'tears'

export interface FailingWork extends FileWork {
  /** What was asked for, in order. */
  readonly log: readonly (readonly [operation: keyof FileWork, path: string])[]
}

/** The work of a real folder, but for the operation of this number, from 1 on. */
export function failingWork(at: number, way: Way): FailingWork {
  const log: [keyof FileWork, string][] = []
  const step = async (operation: keyof FileWork, path: string, work: (whole: boolean) => Promise<void>) => {
    log.push([operation, path])
    const fails = way === 'fails' ? log.length === at : log.length >= at
    if (!fails) return work(true)
    if (way === 'tears' && log.length === at && operation === 'writeFile') await work(false)
    throw Object.assign(new Error('full'), { code: 'ENOSPC' })
  }
  return {
    log,
    writeFile: (path, bytes, { mode }) =>
      step('writeFile', path, async (whole) => {
        await writeFile(path, whole ? bytes : bytes.subarray(0, bytes.length / 2), { flag: 'wx' })
        await chmod(path, mode)
      }),
    syncFolder: (path) => step('syncFolder', path, async () => {}),
    rename: (from, to) => step('rename', to, () => realFileWork.rename(from, to)),
    unlink: (path) => step('unlink', path, () => realFileWork.unlink(path)),
    mkdir: (path, attributes) => step('mkdir', path, () => realFileWork.mkdir(path, attributes)),
    rmdir: (path) => step('rmdir', path, () => realFileWork.rmdir(path)),
  }
}
