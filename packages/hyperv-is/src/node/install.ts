import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { PortError } from '../errors.ts'
import type { SettingsBlock } from '../port/conf-file.ts'
import { installed, restored, settingsFor } from '../port/conf-file.ts'
import { unlabelled } from '../port/labels.ts'
import { packageListFor } from '../port/package-list.ts'
import { portFiles } from '../port/port-files.ts'
import type { ReleaseProfile } from '../releases/profile.ts'
import { releaseProfile } from '../releases/releases.ts'
import type { Registration } from './registration.ts'
import { CONTENTS, contentsOf, md5, RESTORE, readRegistration } from './registration.ts'
import type { RootFolder } from './root-folder.ts'
import { textBytes } from './root-folder.ts'
import type { InstallOptions } from './staging.ts'
import { inRoot } from './staging.ts'
import type { Change } from './transaction.ts'

/**
 * Stages the port for a release, or brings what is there up to date; done twice, the second changes nothing.
 * @returns the changes made, or with `dryRun` those to be made.
 * @throws PortError, or the signal's reason; the root folder is as it was.
 */
export async function installPort(options: InstallOptions): Promise<readonly Change[]> {
  const { root: path, release } = options
  const profile = releaseProfile(release)
  packageListFor(profile)
  return inRoot(options, async (root) => {
    const there = await readRegistration(root)
    if (there !== undefined && there.release !== profile.name)
      throw new PortError('other-release', `${path}: has the port for ${there.release}; deinstall that first`)
    await checkLabels(root, path)
    return changesFor(root, profile, there)
  })
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
  for (const { path, bytes } of files) await assertOurs(root, path, bytes, there)
  const edits = await Promise.all(settingsFor(profile).map((block) => edit(root, block, there)))
  const paths = [...files.map(({ path }) => path), ...edits.map(({ path }) => path), CONTENTS]
  const registration: Registration = {
    release: profile.name,
    version: profile.port.value?.portVersion ?? '',
    files: files.map(({ path, bytes }) => ({ path, md5: md5(bytes) })),
    edited: edits.map(({ path, before, after }) => ({ path, before, after })),
    folders: there?.folders ?? (await foldersToMake(root, paths)),
  }
  const { edited, folders } = registration
  const restore = new TextEncoder().encode(`${JSON.stringify({ edited, folders }, null, 2)}\n`)
  const contents = new TextEncoder().encode(contentsOf(registration))
  const wanted = [
    ...files,
    ...edits.filter(({ now, after }) => now !== after).map(({ path, after }) => ({ path, bytes: textBytes(after) })),
    { path: CONTENTS, bytes: contents, mode: 0o444 },
    { path: RESTORE, bytes: restore, mode: 0o444 },
  ]
  const changes: Change[] = []
  for (const file of wanted) {
    const now = await root.read(file.path)
    if (now === undefined || md5(now) !== md5(file.bytes)) changes.push({ kind: 'write', ...file })
  }
  return changes
}

/** Who else's file stands at a place of ours keeps it. @throws PortError `in-the-way` */
async function assertOurs(root: RootFolder, path: string, bytes: Uint8Array, there?: Registration): Promise<void> {
  const now = await root.read(path)
  if (now === undefined || there?.files.some((file) => file.path === path) === true) return
  if (md5(now) === md5(bytes) && !(await root.isLink(path))) return
  throw new PortError(
    'in-the-way',
    `${root.path}/${path}: is there already, and not from this port; move it away first`,
  )
}

async function edit(root: RootFolder, block: SettingsBlock, there: Registration | undefined) {
  const now = await root.readText(block.path)
  const old = there?.edited.find(({ path }) => path === block.path)
  const before = old === undefined || now === undefined ? now : restored(now, old, block)
  return { path: block.path, before: before ?? null, now, after: installed(now ?? '', block) }
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
