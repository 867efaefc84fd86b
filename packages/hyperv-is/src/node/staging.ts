import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { PortError } from '../errors.ts'
import type { FileWork } from './file-work.ts'
import { JOURNAL, PARTIAL, readJournal } from './journal.ts'
import { RootFolder } from './root-folder.ts'
import { LOCK, lockRoot } from './root-lock.ts'
import type { Change } from './transaction.ts'
import { apply, plan, recover } from './transaction.ts'

export interface InstallOptions {
  readonly root: string
  readonly release: string
  /** Only say what would be done. */
  readonly dryRun?: boolean
  /** Puts back what was done so far when aborted. */
  readonly signal?: AbortSignal
  /** For tests that make it fail. */
  readonly work?: FileWork
}

/** Finds out what is to be changed in a root folder, and changes it: alone there, all or nothing, or only says it. */
export async function inRoot(
  { root: path, dryRun, signal, work }: InstallOptions,
  changesFor: (root: RootFolder) => Promise<readonly Change[]>,
): Promise<readonly Change[]> {
  const root = await RootFolder.open(path)
  if (dryRun === true) {
    await assertWhole(root)
    const changes = await changesFor(root)
    await plan(root, changes)
    return changes
  }
  if (await nothingToDo(root, changesFor)) return []
  await using _lock = await lockRoot(root)
  await recover(root, work)
  const changes = await changesFor(root)
  await apply(root, changes, { signal, work })
  return changes
}

/**
 * What will be refused is so before anything is written, the lock too. What is seen while another command is at work, or
 * after one was interrupted, means nothing.
 */
async function nothingToDo(
  root: RootFolder,
  changesFor: (root: RootFolder) => Promise<readonly Change[]>,
): Promise<boolean> {
  try {
    const changes = await changesFor(root)
    return changes.length === 0 && !(await hasTraces(root))
  } catch (error) {
    if (await hasTraces(root)) return false
    throw error
  }
}

/** Whether a command is at work in a root folder, or was when it was killed. */
async function hasTraces(root: RootFolder): Promise<boolean> {
  for (const name of [LOCK, JOURNAL, JOURNAL + PARTIAL]) {
    if ((await lstat(join(root.path, name)).catch(() => undefined)) !== undefined) return true
  }
  return false
}

/** Commands that only look say nothing of a root folder that is half done. @throws PortError `interrupted` */
export async function assertWhole(root: RootFolder): Promise<void> {
  if ((await readJournal(root)) === undefined) return
  const text = 'a command was interrupted here; the next install or deinstall puts back what it did'
  throw new PortError('interrupted', `${root.path}: ${text}`)
}
