import { PortError } from '../errors.ts'
import { restored, settingsFor } from '../port/conf-file.ts'
import { releaseProfile } from '../releases/releases.ts'
import type { Registration } from './registration.ts'
import { CONTENTS, md5, RESTORE, readRegistration } from './registration.ts'
import type { RootFolder } from './root-folder.ts'
import { textBytes } from './root-folder.ts'
import type { InstallOptions } from './staging.ts'
import { inRoot } from './staging.ts'
import type { Change } from './transaction.ts'

/**
 * Takes the port away: its files, its lines, and the folders it had to make. Files edited by the port and not since are
 * put back byte by byte; in others only its lines go. A file of the port's that was changed since stays, as with
 * pkg_delete(1).
 * @returns the changes made, or with `dryRun` those to be made.
 * @throws PortError, or the signal's reason; the root folder is as it was.
 */
export async function deinstallPort(options: InstallOptions): Promise<readonly Change[]> {
  const { root: path, release } = options
  const profile = releaseProfile(release)
  return inRoot(options, async (root) => {
    const there = await readRegistration(root)
    if (there === undefined) throw new PortError('not-installed', `${path}: the port is not installed there`)
    if (there.release !== profile.name)
      throw new PortError('other-release', `${path}: has the port for ${there.release}, not for ${profile.name}`)
    return [
      ...(await removed(root, there)),
      ...(await edited(root, there)),
      { kind: 'remove', path: RESTORE },
      { kind: 'remove', path: CONTENTS },
      ...there.folders.map((folder): Change => ({ kind: 'remove-folder', path: folder })),
    ]
  })
}

async function removed(root: RootFolder, { files }: Registration): Promise<Change[]> {
  const changes: Change[] = []
  for (const { path, md5: sum } of files) {
    const now = await root.read(path)
    if (now === undefined) continue
    const ours = md5(now) === sum && !(await root.isLink(path))
    changes.push({ kind: ours ? 'remove' : 'keep', path })
  }
  return changes
}

async function edited(root: RootFolder, { release, edited: edits }: Registration): Promise<Change[]> {
  const blocks = settingsFor(releaseProfile(release))
  const changes: Change[] = []
  for (const edit of edits) {
    const { path } = edit
    const now = await root.readText(path)
    const block = blocks.find((other) => other.path === path)
    if (now === undefined || block === undefined) continue
    const text = restored(now, edit, block)
    if (text === null) changes.push({ kind: 'remove', path })
    else if (text !== now) changes.push({ kind: 'write', path, bytes: textBytes(text) })
  }
  return changes
}
