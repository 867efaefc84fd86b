import { link, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PortError } from '../errors.ts'
import type { RootFolder } from './root-folder.ts'
import { translate } from './root-folder.ts'

export const LOCK = '.hyperv-is.lock'
const TRIES = 10

/**
 * One command at a time in a root folder: a file that names its process, and that counts for nothing when the process is
 * gone. @throws PortError `busy`, `read-only`
 */
export async function lockRoot(root: RootFolder): Promise<AsyncDisposable> {
  const path = join(root.path, LOCK)
  const mine = `${path}.${process.pid}.${counter++}`
  try {
    await writeFile(mine, await ownerOf(process.pid), { flag: 'wx' })
    try {
      for (let tries = 0; !(await taken(mine, path)); tries++) {
        const owner = await readFile(path, 'utf8').catch(() => '')
        const pid = Number.parseInt(owner, 10)
        if (tries === TRIES || (owner !== '' && (await ownerOf(pid)) === owner))
          throw new PortError('busy', `${root.path}: another command (process ${pid}) is at work there`)
        if (owner !== '') await removeStale(path, `${mine}.stale`, owner)
      }
    } finally {
      await unlink(mine)
    }
    await removeRemains(root)
  } catch (error) {
    throw translate(error, root.path)
  }
  return { [Symbol.asyncDispose]: () => unlink(path).catch(() => {}) }
}

let counter = 0

/** What one leaves that is killed while it asks for the lock. */
async function removeRemains(root: RootFolder): Promise<void> {
  for (const name of await readdir(root.path)) {
    const pid = name.startsWith(`${LOCK}.`) ? Number.parseInt(name.slice(LOCK.length + 1), 10) : Number.NaN
    if (pid > 0 && (await ownerOf(pid)) === '') await unlink(join(root.path, name)).catch(() => {})
  }
}

async function taken(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Moved away first, so that the lock of one who was faster is seen and put back. */
async function removeStale(path: string, aside: string, owner: string): Promise<void> {
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  )
  if (!moved) return
  if ((await readFile(aside, 'utf8')) !== owner) await link(aside, path).catch(() => {})
  await unlink(aside)
}

/** A process as it is told from later ones of the same number, where the system says when it began; '' when it is gone. */
async function ownerOf(pid: number): Promise<string> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return ''
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name, in brackets, may have spaces in it; the start is the twentieth after it.
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  return `${pid} ${start}\n`
}
