import type { HostReleaseName } from '@bis/host'
import { HOST_RELEASES } from '@bis/host'
import { CliError } from './cli-error.ts'
import type { Arguments, OptionSpec } from './command.ts'
import type { DiskOption } from './disk-option.ts'
import { MAX_SCSI_DISKS, parseDiskOption } from './disk-option.ts'
import type { GuestRelease } from './guest-release.ts'
import { GUEST_OPTIONS, parseGuestRelease } from './guest-release.ts'
import type { MachineProfile } from './machine-profile.ts'
import { PROFILE_OPTIONS, parseProfile, parseRefused, REFUSE_OPTION } from './machine-profile.ts'
import type { NicOption } from './network/nic-option.ts'
import { NIC_HELP, NIC_USAGE, parseNicOption } from './network/nic-option.ts'
import { parseSize } from './size.ts'

/** Who plays the root partition: this thread, a worker thread, or `bis host` at a socket. */
export type RootOption =
  | { readonly kind: 'inline' }
  | { readonly kind: 'worker' }
  | { readonly kind: 'socket'; readonly path: string }

/** What the machine of `boot` and `nbd` is like. */
export interface BootOptions {
  readonly disks: readonly DiskOption[]
  readonly nics: readonly NicOption[]
  /** Capture file of the NICs. */
  readonly capture: string | undefined
  readonly release: HostReleaseName
  readonly generation: 1 | 2
  readonly processorCount: number
  readonly memoryBytes: number
  readonly verbose: boolean
  readonly root: RootOption
  readonly profile: MachineProfile
  readonly guest: GuestRelease
  /** VMBus versions that the host refuses. */
  readonly refused: readonly number[]
  /** What the host sees as the guest's root folder when it copies files there. */
  readonly files: string | undefined
  /** Folder of the guest's key-value pools; undefined keeps them in memory. */
  readonly pools: string | undefined
  /** What `bis vm` calls the machine; undefined when it does not steer it. */
  readonly steered?: string | undefined
}

/** Flags of every command that plays the host. */
export const HOST_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  disk: {
    type: 'string',
    multiple: true,
    value: 'FILE[,bus=scsi|ide][,ro][,dvd]',
    help: 'plug in a disk image, or an .iso in a DVD drive (repeatable)',
  },
  nic: { type: 'string', multiple: true, value: NIC_USAGE, help: NIC_HELP },
  capture: { type: 'string', value: 'FILE', help: "write the NICs' frames to a pcapng file" },
  host: { type: 'string', value: 'RELEASE', help: `the host's Windows Server release: ${HOST_RELEASES.join(', ')}` },
  refuse: REFUSE_OPTION,
}

/** Flags of every command that boots a machine. */
export const BOOT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...HOST_OPTIONS,
  gen: { type: 'string', value: '1|2', help: 'generation of the machine; default 2' },
  cpus: { type: 'string', value: 'N', help: 'virtual processors; default 2' },
  memory: { type: 'string', value: 'SIZE', help: 'guest memory; default 64m' },
  root: { type: 'string', value: 'ROOT', help: 'who plays the root: inline, worker, or socket:PATH for a bis host' },
  ...PROFILE_OPTIONS,
  ...GUEST_OPTIONS,
  files: { type: 'string', value: 'DIR', help: 'where bis vm copy-file puts files; default: the guest takes none' },
  pools: { type: 'string', value: 'DIR', help: "folder for the guest's key-value pools; default: in memory" },
  verbose: { type: 'boolean', short: 'v', help: 'boot with debug lines in dmesg' },
}

const MIN_MEMORY = 16 * 2 ** 20
const MAX_MEMORY = 3 * 2 ** 30
const MAX_CPUS = 64

/** @throws CliError `usage`. */
export function parseBootOptions(args: Arguments): BootOptions {
  const { release, disks, nics, capture, refused } = parseHostOptions(args)
  const generation = parseGeneration(args.text('gen'), disks)
  const root = parseRoot(args.text('root'))
  const plugged = disks.length > 0 ? 'disk' : nics.length > 0 ? 'nic' : capture === undefined ? undefined : 'capture'
  if (root.kind === 'socket' && plugged !== undefined) {
    throw new CliError(
      'usage',
      `with --root socket:PATH the devices are those of the bis host; give --${plugged} there`,
    )
  }
  const dvd = disks.find(({ bus, optical }) => bus === 'ide' && optical)
  if (dvd !== undefined && root.kind !== 'inline')
    throw new CliError('usage', `--disk ${dvd.file}: a DVD on IDE never comes over VMBus; it needs --root inline`)
  const memoryBytes = parseSize(args.text('memory') ?? '64m', '--memory')
  if (memoryBytes < MIN_MEMORY || memoryBytes > MAX_MEMORY || memoryBytes % 65_536 !== 0) {
    throw new CliError('usage', '--memory is from 16m to 3g, in steps of 64k')
  }
  return {
    disks,
    nics,
    capture,
    release,
    generation,
    processorCount: parseCpus(args.text('cpus')),
    memoryBytes,
    verbose: args.flag('verbose'),
    root,
    profile: parseProfile(args),
    guest: parseGuestRelease(args),
    refused,
    files: args.text('files'),
    pools: args.text('pools'),
  }
}

type HostSide = 'disks' | 'nics' | 'capture' | 'release' | 'refused'

/** @throws CliError `usage`. */
export function parseHostOptions(args: Arguments): Pick<BootOptions, HostSide> {
  const text = args.text('host') ?? '2025'
  const release = HOST_RELEASES.find((name) => name === text)
  if (release === undefined) {
    throw new CliError('usage', `--host ${JSON.stringify(text)}: choose ${HOST_RELEASES.join(', ')}`)
  }
  const disks = args.list('disk').map(parseDiskOption)
  if (disks.filter(({ bus }) => bus === 'scsi').length > MAX_SCSI_DISKS) {
    throw new CliError('usage', `a machine has ${MAX_SCSI_DISKS} SCSI disks at most`)
  }
  const nics = args.list('nic').map(parseNicOption)
  return { release, disks, nics, capture: args.text('capture'), refused: parseRefused(args) }
}

function parseGeneration(text: string | undefined, disks: readonly DiskOption[]): 1 | 2 {
  const ide = disks.filter(({ bus }) => bus === 'ide')
  if (text !== undefined && text !== '1' && text !== '2')
    throw new CliError('usage', `--gen ${JSON.stringify(text)}: choose 1 or 2`)
  if (text === '2' && ide.length > 0)
    throw new CliError('usage', `${ide[0]?.file}: a generation 2 machine has no IDE; use --gen 1`)
  if (ide.length > 4) throw new CliError('usage', 'a machine has four IDE disks at most')
  if (text !== undefined) return text === '1' ? 1 : 2
  return ide.length > 0 ? 1 : 2
}

function parseCpus(text = '2'): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(count >= 1 && count <= MAX_CPUS)) throw new CliError('usage', `--cpus is a number from 1 to ${MAX_CPUS}`)
  return count
}

function parseRoot(text: string | undefined): RootOption {
  if (text === undefined || text === 'inline') return { kind: 'inline' }
  if (text === 'worker') return { kind: 'worker' }
  const path = text.startsWith('socket:') ? text.slice('socket:'.length) : ''
  if (path === '') throw new CliError('usage', `--root ${JSON.stringify(text)}: choose inline, worker or socket:PATH`)
  return { kind: 'socket', path }
}
