import type { VlanMode } from '@bis/host'
import { parseMac } from '@bis/hyperv-types/ethernet'
import { CliError } from '../cli-error.ts'

/**
 * What a NIC is connected to: nothing, the machine's own switch, a QEMU stream socket beyond it (to connect to, or to listen
 * at), or a capture file that is played to it.
 */
export type NicPort =
  | { readonly kind: 'none' | 'switch' }
  | { readonly kind: 'stream'; readonly path: string; readonly role: 'client' | 'server' }
  | {
      readonly kind: 'replay'
      readonly file: string
      readonly speed: number
      readonly loop: boolean
      readonly only: 'in' | 'out' | undefined
    }

/** One `--nic PORT[,mac=MAC][,vlan=ID|trunk][,spoof]`. */
export interface NicOption {
  readonly port: NicPort
  readonly address: Uint8Array | undefined
  readonly vlan: VlanMode
  /** The guest may use other source addresses than its NIC's, as a bridge in it does. */
  readonly spoofing: boolean
}

/** The option as `--help` shows it. */
export const NIC_USAGE = 'PORT[,mac=MAC][,vlan=ID|trunk][,spoof]'
export const NIC_HELP = 'plug in a NIC: none, switch, stream:PATH[,server] or replay:FILE[,…]; see below (repeatable)'

/** What a command's `--help` says of ports. */
export const NIC_DETAILS = `A NIC's PORT is one of
  none                 nothing, until bis vm nic connect
  switch               the machine's own switch, on which its NICs meet
  stream:PATH          a QEMU stream socket that somebody listens at; with ,server it listens there itself
  replay:FILE          a pcapng or pcap file, played once when the guest listens, in its own rhythm;
                       ,speed=N times faster (max: without pauses), ,loop, ,only=in|out frames that it has as such
mac=MAC is its address, vlan=ID makes it an access port of that VLAN, vlan=trunk shows it all VLANs by their tags,
spoof lets its guest use other source addresses, as a bridge in it does.`

const LAST_VLAN = 4094
const STREAM = 'stream:'
const REPLAY = 'replay:'

/** Commas inside a file's name are written twice, as with disks. @throws CliError `usage`. */
export function parseNicOption(text: string): NicOption {
  const [name = '', ...words] = split(text)
  let address: Uint8Array | undefined
  let vlan: VlanMode = { mode: 'untagged' }
  let spoofing = false
  const rest: string[] = []
  for (const word of words) {
    const [key, value = ''] = word.split(/=(.*)/)
    if (key === 'mac') address = parseAddress(value)
    else if (key === 'vlan') vlan = parseVlan(value)
    else if (word === 'spoof') spoofing = true
    else rest.push(word)
  }
  return { port: parsePort(name, rest), address, vlan, spoofing }
}

/** `PORT` alone, without address and VLAN. @throws CliError `usage`. */
export function parseNicPort(text: string): NicPort {
  const [name = '', ...words] = split(text)
  return parsePort(name, words)
}

/** @throws CliError `usage`. */
export function parseVlan(text: string): VlanMode {
  if (text === 'none') return { mode: 'untagged' }
  if (text === 'trunk') {
    return { mode: 'trunk', native: 0, allowed: Array.from({ length: LAST_VLAN }, (_, i) => i + 1) }
  }
  const id = /^\d+$/.test(text) ? Number(text) : 0
  if (id < 1 || id > LAST_VLAN) throw new CliError('usage', `vlan=${text}: 1 to ${LAST_VLAN}, trunk, or none`)
  return { mode: 'access', id }
}

/** The port as a user would write it. */
export function formatNicPort(port: NicPort): string {
  if (port.kind === 'stream') return `${STREAM}${port.path}`
  return port.kind === 'replay' ? `${REPLAY}${port.file}` : port.kind
}

function split(text: string): string[] {
  return text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','))
}

function parsePort(name: string, words: readonly string[]): NicPort {
  const path = after(STREAM, name)
  const file = after(REPLAY, name)
  if (path !== undefined) {
    const wrong = words.find((word) => word !== 'server')
    if (wrong !== undefined) throw unknownWord(name, wrong, 'server, mac=MAC, vlan=ID|trunk and spoof')
    return { kind: 'stream', path, role: words.length > 0 ? 'server' : 'client' }
  }
  if (file !== undefined) return parseReplay(name, file, words)
  const [wrong] = words
  if (name === 'none' || name === 'switch') {
    if (wrong !== undefined) throw unknownWord(name, wrong, 'mac=MAC, vlan=ID|trunk and spoof')
    return { kind: name }
  }
  if (name === 'user') {
    throw new CliError(
      'usage',
      '--nic user: start passt, or QEMU with its user network, at a socket and use stream:PATH',
    )
  }
  throw new CliError('usage', `--nic ${JSON.stringify(name)}: choose none, switch, stream:PATH or replay:FILE`)
}

function parseReplay(name: string, file: string, words: readonly string[]): NicPort {
  let speed = 1
  let loop = false
  let only: 'in' | 'out' | undefined
  for (const word of words) {
    const [key, value = ''] = word.split(/=(.*)/)
    if (word === 'loop') loop = true
    else if (word === 'only=in' || word === 'only=out') only = word === 'only=in' ? 'in' : 'out'
    else if (key === 'speed') speed = parseSpeed(value)
    else throw unknownWord(name, word, 'speed=N, loop, only=in|out, mac=MAC, vlan=ID|trunk and spoof')
  }
  return { kind: 'replay', file, speed, loop, only }
}

/** Times the speed of the capture; `max` without pauses. */
function parseSpeed(text: string): number {
  if (text === 'max') return 0
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  if (!(speed >= 0.001 && speed <= 1_000_000)) {
    throw new CliError('usage', `speed=${text}: 0.001 to 1000000 times that of the capture, or max`)
  }
  return speed
}

function after(prefix: string, name: string): string | undefined {
  return name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : undefined
}

function unknownWord(name: string, word: string, words: string): CliError {
  return new CliError('usage', `--nic ${name}: ${JSON.stringify(word)} is none of ${words}`)
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
