import type { ReleaseProfile } from '@bis/hyperv-is'
import { guestOptions, RELEASES, releaseProfile } from '@bis/hyperv-is'
import { loaderTunables, stagedModule, stagedModules } from '@bis/hyperv-is/node'
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

/** What the loader leaves to the kernel: tunables, modules in their order, and lines about what it does not load. */
interface Loaded extends Pick<GuestMachineOptions, 'modules' | 'loadBus' | 'tunables'> {
  readonly lines: readonly string[]
}

/** @param all every driver there is @throws PortError when the root folder cannot be read */
export async function loadModules({ profile, rootDir }: GuestRelease, all: readonly KernelModule[]): Promise<Loaded> {
  if (rootDir === undefined) return { modules: all, loadBus: true, lines: [] }
  const staged = await stagedModules(rootDir, profile.name)
  const there = staged.filter(({ from }) => from === 'file' || from === 'kernel').map(({ module }) => module)
  if (hasKvpInUtils(profile) && there.includes('hv_utils')) there.push('hv_kvp')
  const has = (name: string): boolean => there.includes(name)
  const lacks = ({ dependencies = [] }: KernelModule): readonly string[] => dependencies.filter((one) => !has(one))
  const wanted = all.filter(({ name }) => has(name))
  return {
    // A driver without what it needs is not linked.
    modules: wanted.filter((module) => lacks(module).length === 0),
    loadBus: has('hv_vmbus'),
    tunables: await loaderTunables(rootDir),
    lines: [
      ...staged.filter(({ from }) => from === 'missing').map(({ module }) => `can't find '${module}'`),
      ...staged
        .filter(({ from }) => from === 'foreign')
        .map(({ module }) => `'${module}' is no driver of ours: left out`),
      ...wanted
        .filter((module) => lacks(module).length > 0 && staged.some((one) => one.module === module.name))
        .map((module) => `can't load '${module.name}': it needs ${lacks(module).join(', ')}`),
    ],
  }
}

/** Whether kldload finds a module in the guest's root folder; without a root folder there is every one. */
export async function isModuleThere({ profile, rootDir }: GuestRelease, name: string): Promise<boolean> {
  if (rootDir === undefined) return true
  const file = name === 'hv_kvp' && hasKvpInUtils(profile) ? 'hv_utils' : name
  const { from } = await stagedModule(rootDir, profile.name, file)
  return from === 'file' || from === 'kernel'
}

/** The port of drivers has key-value pairs in hv_utils; from 10.0 on they are a module of their own. */
function hasKvpInUtils({ port }: ReleaseProfile): boolean {
  return port.value?.kind === 'drivers'
}

/** The kernel of the release: what its drivers see, and what it calls things. */
export function releaseOptions({
  profile,
}: GuestRelease): Pick<GuestMachineOptions, 'ideNames' | 'adaptKernel' | 'osReleaseDate' | 'fetchTunables' | 'bus'> {
  return guestOptions(profile)
}
