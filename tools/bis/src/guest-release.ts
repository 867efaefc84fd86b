import type { ReleaseProfile } from '@bis/hyperv-is'
import { guestOptions, RELEASES, releaseProfile } from '@bis/hyperv-is'
import { stagedModules } from '@bis/hyperv-is/node'
import type { GuestMachineOptions } from '@bis/machine'
import type { KernelModule } from '@bis/newbus'
import type { Arguments, OptionSpec } from './command.ts'

/** Which FreeBSD the guest is. */
export interface GuestRelease {
  readonly profile: ReleaseProfile
  /** Root folder whose loader.conf and module files say which drivers there are. */
  readonly rootDir: string | undefined
}

export const GUEST_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  release: { type: 'string', value: 'R', help: `the guest's FreeBSD: ${RELEASES.join(', ')}; default head` },
  'root-dir': { type: 'string', value: 'DIR', help: 'load the modules that this root folder has and asks for' },
}

/** @throws PortError `unknown-release`, … */
export function parseGuestRelease(args: Arguments): GuestRelease {
  return { profile: releaseProfile(args.text('release') ?? 'head'), rootDir: args.text('root-dir') }
}

/** What the loader leaves to the kernel: modules in their order, and lines about those it does not find. */
interface Loaded extends Pick<GuestMachineOptions, 'modules' | 'loadBus'> {
  readonly lines: readonly string[]
}

/** @param all every driver there is @throws PortError when the root folder cannot be read */
export async function loadModules({ profile, rootDir }: GuestRelease, all: readonly KernelModule[]): Promise<Loaded> {
  if (rootDir === undefined) return { modules: all, loadBus: true, lines: [] }
  const staged = await stagedModules(rootDir, profile.name)
  const there = staged.filter(({ from }) => from !== 'missing').map(({ module }) => module)
  // The port of drivers has key-value pairs in hv_utils; from 10.0 on they are a module of their own.
  if (profile.port.value?.kind === 'drivers' && there.includes('hv_utils')) there.push('hv_kvp')
  const has = (name: string): boolean => there.includes(name)
  // A driver without what it needs is not linked.
  const modules = all.filter(({ name, dependencies }) => has(name) && (dependencies ?? []).every(has))
  const missing = staged.filter(({ from }) => from === 'missing')
  return { modules, loadBus: has('hv_vmbus'), lines: missing.map(({ module }) => `can't find '${module}'`) }
}

/** The kernel of the release: what its drivers see, and what it calls things. */
export function releaseOptions({
  profile,
}: GuestRelease): Pick<GuestMachineOptions, 'ideNames' | 'adaptKernel' | 'fetchTunables' | 'bus'> {
  return guestOptions(profile)
}
