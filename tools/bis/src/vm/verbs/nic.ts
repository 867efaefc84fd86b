import { resolve } from 'node:path'
import { CliError } from '../../cli-error.ts'
import { parseNicOption, parseNicPort, parseVlan } from '../../network/nic-option.ts'
import type { Nics } from '../../network/nics.ts'
import type { VmVerb } from '../verb.ts'
import type { RunningGuest } from '../virtual-machine.ts'

const ACTIONS = ['add', 'remove', 'connect', 'disconnect', 'vlan'] as const
type Action = (typeof ACTIONS)[number]

/** Words that each action must have after NAME, and may have besides. */
const WORDS: Readonly<Record<Action, readonly [names: string, least: number, most: number]>> = {
  add: ['PORT[,mac=MAC][,vlan=ID|trunk][,spoof]', 1, 1],
  remove: ['NIC', 1, 1],
  connect: ['NIC [PORT]', 1, 2],
  disconnect: ['NIC', 1, 1],
  vlan: ['NIC ID|trunk|none', 2, 2],
}

export const nic: VmVerb = {
  usage: Object.entries(WORDS)
    .map(([action, [names]]) => `${action} NAME ${names}`)
    .join(' | '),
  summary:
    'plug in and take out network adapters, plug and pull their cables, set their VLAN; NIC is hn0 or an address',
  actions: ACTIONS,
  words: 2,
  options: {},
  prepare: (words) => words.map(absolute),
  async serve(machine, { words: [action = '', ...rest] }) {
    const [names, least, most] = WORDS[action as Action] ?? ['', 0, -1]
    if (rest.length < least || rest.length > most) throw new CliError('usage', `bis vm nic ${action} NAME ${names}`)
    return act(machine.running(), action as Action, rest)
  },
  show: (result) => (typeof result === 'string' ? `${result}\n` : ''),
}

async function act(guest: RunningGuest, action: Action, [first = '', second]: readonly string[]): Promise<unknown> {
  const nics = need(guest)
  switch (action) {
    case 'add':
      return nics.add(parseNicOption(first), guest.server)
    case 'remove':
      return nics.remove(first)
    case 'connect':
      return nics.connect(first, second === undefined ? undefined : parseNicPort(second))
    case 'disconnect':
      return nics.disconnect(first)
    case 'vlan':
      return nics.setVlan(first, parseVlan(second ?? ''))
  }
}

function need({ nics }: RunningGuest): Nics {
  if (nics === undefined) throw new CliError('failed', "the machine's adapters are not this process's to change")
  return nics
}

/** The machine's process has a working directory of its own. */
function absolute(word: string): string {
  const [, kind, path, rest] = /^(stream:|replay:)((?:[^,]|,,)+)(.*)$/.exec(word) ?? []
  return kind === undefined || path === undefined ? word : `${kind}${resolve(path)}${rest}`
}
