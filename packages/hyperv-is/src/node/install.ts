import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { PortError } from '../errors.ts'
import { installed, settingsFor } from '../port/conf-file.ts'
import { unlabelled } from '../port/labels.ts'
import { packageListFor } from '../port/package-list.ts'
import { portFiles } from '../port/port-files.ts'
import type { ReleaseProfile } from '../releases/profile.ts'
import { releaseProfile } from '../releases/releases.ts'
import type { Registration } from './registration.ts'
import { CONTENTS, contentsOf, md5, RESTORE, readRegistration } from './registration.ts'
import { RootFolder } from './root-folder.ts'
import type { Change, FileWork } from './transaction.ts'
import { apply, recover } from './transaction.ts'

export interface InstallOptions {
  readonly root: string
  readonly release: string
  /** Only say what would be done. */
  readonly dryRun?: boolean
  /** For tests that make it fail. */
  readonly work?: FileWork
}

/**
 * Stages the port for a release, or brings what is there up to date; done twice, the second changes nothing.
 * @returns the changes made, or with `dryRun` those to be made.
 * @throws PortError; the root folder is as it was.
 */
export async function installPort({ root: path, release, dryRun, work }: InstallOptions): Promise<readonly Change[]> {
  const profile = releaseProfile(release)
  packageListFor(profile)
  const root = await RootFolder.open(path)
  if (dryRun !== true) await recover(root, work)
  const there = await readRegistration(root)
  if (there !== undefined && there.release !== profile.name)
    throw new PortError('other-release', `${path}: has the port for ${there.release}; deinstall that first`)
  await checkLabels(root, path)
  const changes = await changesFor(root, profile, there)
  if (dryRun === true) for (const change of changes) await root.assertWritable(change.path)
  else await apply(root, changes, work)
  return changes
}

async function checkLabels(root: RootFolder, path: string): Promise<void> {
  const fstab = await root.readText('etc/fstab')
  if (fstab === undefined) throw new PortError('not-a-root', `${path}: has no etc/fstab; is it a FreeBSD root folder?`)
  const findings = unlabelled(fstab)
  if (findings.length === 0) return
  const list = findings.map(({ device, mountPoint }) => `${device} (${mountPoint})`).join(', ')
  throw new PortError('no-labels', `${path}/etc/fstab: without a label: ${list}; give them one with glabel(8) first`)
}

async function changesFor(
  root: RootFolder,
  profile: ReleaseProfile,
  there: Registration | undefined,
): Promise<readonly Change[]> {
  const files = portFiles(profile).map(({ path, mode, text, gzip }) => {
    const bytes = new TextEncoder().encode(text)
    return { path, mode, bytes: gzip ? new Uint8Array(gzipSync(bytes, { level: 9 })) : bytes }
  })
  const edits = []
  for (const block of settingsFor(profile)) {
    const now = await root.readText(block.path)
    const old = there?.edited.find(({ path }) => path === block.path)
    edits.push({
      path: block.path,
      before: old === undefined ? (now ?? null) : old.before,
      now,
      after: installed(now ?? '', block),
    })
  }
  const paths = [...files.map(({ path }) => path), ...edits.map(({ path }) => path), CONTENTS]
  const registration: Registration = {
    release: profile.name,
    version: profile.port.value?.portVersion ?? '',
    files: files.map(({ path, bytes }) => ({ path, md5: md5(bytes) })),
    edited: edits.map(({ path, before, after }) => ({ path, before, after })),
    folders: there?.folders ?? (await foldersToMake(root, paths)),
  }
  const { edited, folders } = registration
  const text = (path: string, value: string, mode?: number): Change => {
    return { kind: 'write', path, bytes: new TextEncoder().encode(value), ...(mode === undefined ? {} : { mode }) }
  }
  const wanted: Change[] = [
    ...files.map((file): Change => ({ kind: 'write', ...file })),
    ...edits.filter(({ now, after }) => now !== after).map(({ path, after }) => text(path, after)),
    text(CONTENTS, contentsOf(registration), 0o444),
    text(RESTORE, `${JSON.stringify({ edited, folders }, null, 2)}\n`, 0o444),
  ]
  const changes: Change[] = []
  for (const change of wanted) {
    const now = await root.read(change.path)
    if (change.kind === 'write' && now !== undefined && md5(now) === md5(change.bytes)) continue
    changes.push(change)
  }
  return changes
}

/** Folders that the paths need and the root lacks, deepest first. */
async function foldersToMake(root: RootFolder, paths: readonly string[]): Promise<string[]> {
  const missing = new Set<string>()
  for (const path of paths) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      const found = await lstat(join(root.path, folder)).catch(() => undefined)
      if (found === undefined) missing.add(folder)
    }
  }
  return [...missing].sort((a, b) => b.length - a.length)
}
