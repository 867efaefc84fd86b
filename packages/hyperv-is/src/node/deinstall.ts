import { PortError } from '../errors.ts'
import { deinstalled, settingsFor } from '../port/conf-file.ts'
import { releaseProfile } from '../releases/releases.ts'
import type { InstallOptions } from './install.ts'
import type { Registration } from './registration.ts'
import { CONTENTS, RESTORE, readRegistration } from './registration.ts'
import { RootFolder } from './root-folder.ts'
import type { Change } from './transaction.ts'
import { apply, recover } from './transaction.ts'

/**
 * Takes the port away: its files, its lines, and the folders it had to make. Files edited by the port and not since are
 * put back byte by byte; in others only its lines go.
 * @returns the changes made, or with `dryRun` those to be made.
 * @throws PortError; the root folder is as it was.
 */
export async function deinstallPort({ root: path, release, dryRun, work }: InstallOptions): Promise<readonly Change[]> {
  const profile = releaseProfile(release)
  const root = await RootFolder.open(path)
  if (dryRun !== true) await recover(root, work)
  const there = await readRegistration(root)
  if (there === undefined) throw new PortError('not-installed', `${path}: the port is not installed there`)
  if (there.release !== profile.name)
    throw new PortError('other-release', `${path}: has the port for ${there.release}, not for ${profile.name}`)
  const changes: Change[] = [
    ...there.files.map(({ path: file }): Change => ({ kind: 'remove', path: file })),
    ...(await restored(root, there)),
    { kind: 'remove', path: CONTENTS },
    { kind: 'remove', path: RESTORE },
    ...there.folders.map((folder): Change => ({ kind: 'remove-folder', path: folder })),
  ]
  if (dryRun === true) for (const change of changes) await root.assertWritable(change.path)
  else await apply(root, changes, work)
  return changes
}

async function restored(root: RootFolder, { release, edited }: Registration): Promise<Change[]> {
  const blocks = settingsFor(releaseProfile(release))
  const changes: Change[] = []
  for (const { path, before, after } of edited) {
    const now = await root.readText(path)
    if (now === undefined) continue
    const block = blocks.find((other) => other.path === path)
    const text = now === after ? before : block === undefined ? now : deinstalled(now, block)
    if (text === null) changes.push({ kind: 'remove', path })
    else if (text !== now) changes.push({ kind: 'write', path, bytes: new TextEncoder().encode(text) })
  }
  return changes
}
