import type { VlanMode } from '@bis/host'
import { parseMac } from '@bis/hyperv-types/ethernet'
import { CliError } from './cli-error.ts'

/** What a NIC is connected to: nothing, the machine's own switch, or a QEMU stream socket beyond it. */
export type NicPort = { readonly kind: 'none' | 'switch' } | { readonly kind: 'stream'; readonly path: string }

/** One `--nic PORT[,mac=MAC][,vlan=ID|trunk]`. */
export interface NicOption {
  readonly port: NicPort
  readonly address: Uint8Array | undefined
  readonly vlan: VlanMode
}

const LAST_VLAN = 4094

/** Commas inside a socket's name are written twice, as with disks. @throws CliError `usage`. */
export function parseNicOption(text: string): NicOption {
  const [name = '', ...words] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','))
  let address: Uint8Array | undefined
  let vlan: VlanMode = { mode: 'untagged' }
  for (const word of words) {
    const [key = '', value = ''] = word.split(/=(.*)/)
    if (key === 'mac') address = parseAddress(value)
    else if (key === 'vlan') vlan = parseVlan(value)
    else
      throw new CliError(
        'usage',
        `--nic ${name}: ${JSON.stringify(word)} is neither mac=MAC nor vlan=ID nor vlan=trunk`,
      )
  }
  return { port: parsePort(name), address, vlan }
}

function parsePort(name: string): NicPort {
  if (name === 'none' || name === 'switch') return { kind: name }
  const path = name.startsWith('stream:') ? name.slice('stream:'.length) : ''
  if (path !== '') return { kind: 'stream', path }
  if (name === 'user') {
    throw new CliError(
      'usage',
      '--nic user: start passt, or QEMU with its user network, at a socket and use stream:PATH',
    )
  }
  throw new CliError('usage', `--nic ${JSON.stringify(name)}: choose none, switch or stream:PATH`)
}

function parseAddress(text: string): Uint8Array {
  try {
    const address = parseMac(text)
    if (((address[0] ?? 0) & 1) === 0) return address
  } catch {
    // Said below.
  }
  throw new CliError('usage', `mac=${text} is no address of a NIC, such as 00:15:5d:00:00:01`)
}

function parseVlan(text: string): VlanMode {
  if (text === 'trunk') {
    return { mode: 'trunk', native: 0, allowed: Array.from({ length: LAST_VLAN }, (_, i) => i + 1) }
  }
  const id = /^\d+$/.test(text) ? Number(text) : 0
  if (id < 1 || id > LAST_VLAN) throw new CliError('usage', `vlan=${text}: 1 to ${LAST_VLAN}, or trunk`)
  return { mode: 'access', id }
}
