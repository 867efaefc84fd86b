import { missingSettings, settingsFor } from '../port/conf-file.ts'
import type { LabelFinding } from '../port/labels.ts'
import { unlabelled } from '../port/labels.ts'
import { releaseProfile } from '../releases/releases.ts'
import { md5, readRegistration } from './registration.ts'
import { RootFolder } from './root-folder.ts'
import { assertWhole } from './staging.ts'

/** What a root folder is like, as far as the port goes. */
export interface CheckReport {
  readonly release: string
  /** The release has the drivers in its own kernel. */
  readonly builtIn: boolean
  /** Release that the port is installed for. */
  readonly installedFor: string | undefined
  readonly missing: readonly string[]
  readonly changed: readonly string[]
  /** Files in which the port's lines are not as they should be. */
  readonly settings: readonly string[]
  readonly unlabelled: readonly LabelFinding[]
  readonly ok: boolean
}

/** Looks only. @throws PortError `no-root`, `not-a-root`, `unknown-release`, `interrupted`, … */
export async function checkPort(path: string, release: string): Promise<CheckReport> {
  const profile = releaseProfile(release)
  const root = await RootFolder.open(path)
  const builtIn = profile.port.value === undefined
  await assertWhole(root)
  const there = await readRegistration(root)
  const missing: string[] = []
  const changed: string[] = []
  for (const file of there?.files ?? []) {
    const bytes = await root.read(file.path)
    if (bytes === undefined) missing.push(file.path)
    else if (md5(bytes) !== file.md5) changed.push(file.path)
  }
  const settings: string[] = []
  for (const block of there === undefined ? [] : settingsFor(profile)) {
    if (missingSettings((await root.readText(block.path)) ?? '', block).length > 0) settings.push(block.path)
  }
  const labels = builtIn ? [] : unlabelled((await root.readText('etc/fstab')) ?? '')
  const whole = missing.length + changed.length + settings.length + labels.length === 0
  const ok = builtIn ? there === undefined : there?.release === profile.name && whole
  const installedFor = there?.release
  return { release: profile.name, builtIn, installedFor, missing, changed, settings, unlabelled: labels, ok }
}
