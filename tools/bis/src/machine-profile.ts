import { formatVmbusVersion, VMBUS_VERSIONS } from '@bis/hyperv-types/vmbus'
import type { GuestMachineOptions } from '@bis/machine'
import { CliError } from './cli-error.ts'
import type { Arguments, OptionSpec } from './command.ts'
import { parseSize } from './size.ts'

/** What makes a machine unlike the usual one. */
export type MachineProfile = Pick<GuestMachineOptions, 'tunables' | 'gapBase' | 'partition' | 'bus'>

export const PROFILE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  tunable: {
    type: 'string',
    multiple: true,
    value: 'NAME=VALUE',
    help: "set a loader tunable (repeatable); hw.vmbus.max_version=4.0 caps the guest's VMBus version",
  },
  pae: { type: 'boolean', help: 'a 32-bit guest with PAE: its rings and buffers lie above 4 GiB' },
  'mmio-gap': { type: 'string', value: 'SIZE', help: 'MMIO space below 4 GiB: 128m (the default) to 3584m' },
  confidential: {
    type: 'string',
    value: 'accept|refuse',
    help: 'a guest that does not trust its host: VMBus 5.2 on, few devices, confidential channels or none of them',
  },
}

export const REFUSE_OPTION: OptionSpec = {
  type: 'string',
  multiple: true,
  value: 'VERSION',
  help: 'refuse a VMBus version that the release speaks, such as 5.3 (repeatable)',
}

const MIB = 2 ** 20
/** What a PAE guest keeps below 4 GiB. */
const PAE_LOW_BYTES = 8 * MIB

/** @throws CliError `usage`. */
export function parseProfile(args: Arguments): MachineProfile {
  const gap = args.text('mmio-gap')
  const lowMmioMegabytes = gap === undefined ? undefined : parseGap(gap)
  const confidential = args.text('confidential')
  if (confidential !== undefined && confidential !== 'accept' && confidential !== 'refuse') {
    throw new CliError('usage', `--confidential ${JSON.stringify(confidential)}: choose accept or refuse`)
  }
  const pae = args.flag('pae')
  return {
    tunables: Object.fromEntries(args.list('tunable').map(parseTunable)),
    ...(pae ? { gapBase: PAE_LOW_BYTES } : {}),
    ...(lowMmioMegabytes === undefined ? {} : { partition: { lowMmioMegabytes } }),
    bus: {
      ...(pae ? { ringConstraint: { from: 2 ** 32 } } : {}),
      ...(confidential === undefined ? {} : { isolation: { confidentialChannels: confidential } }),
    },
  }
}

/** @returns the versions that the host refuses @throws CliError `usage`. */
export function parseRefused(args: Arguments): readonly number[] {
  return args.list('refuse').map((text) => {
    const version = VMBUS_VERSIONS.find((known) => formatVmbusVersion(known) === text)
    if (version !== undefined) return version
    const known = VMBUS_VERSIONS.map((one) => formatVmbusVersion(one)).join(', ')
    throw new CliError('usage', `--refuse ${JSON.stringify(text)}: the versions of VMBus are ${known}`)
  })
}

function parseTunable(text: string): [string, string] {
  const [, name, value] = /^([\w.-]+)=(.*)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new CliError('usage', `--tunable ${JSON.stringify(text)} is not NAME=VALUE`)
  return [name, value]
}

function parseGap(text: string): number {
  const megabytes = parseSize(text, '--mmio-gap') / MIB
  if (Number.isInteger(megabytes) && megabytes >= 128 && megabytes <= 3584) return megabytes
  throw new CliError('usage', '--mmio-gap is from 128m to 3584m, in whole MiB')
}
