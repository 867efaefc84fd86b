import type { SysctlEntry } from '@bis/newbus'
import { CliError } from '../../cli-error.ts'
import type { VmVerb } from '../verb.ts'
import type { SysctlTable, VirtualMachine } from '../virtual-machine.ts'

const MOST_NAMES = 64

/** A leaf as it is printed; `before` where it was written. */
type Shown = SysctlEntry & { readonly before?: SysctlEntry['value'] }

export const sysctl: VmVerb = {
  usage: 'NAME [OID | OID=VALUE]…',
  summary: "the guest's kernel state, as sysctl(8): all of it, what is at or below an OID, or a value written",
  options: {
    json: { type: 'boolean', help: 'print JSON' },
    values: { type: 'boolean', short: 'n', help: 'print values only' },
    names: { type: 'boolean', short: 'N', help: 'print names only' },
    descriptions: { type: 'boolean', short: 'd', help: 'print what each is in place of its value' },
    writable: { type: 'boolean', short: 'W', help: 'only what can be written' },
  },
  words: MOST_NAMES,
  async serve(machine, { words, options: { writable } }) {
    const table = sysctlOf(machine)
    const shown: Shown[] = []
    for (const word of words.length === 0 ? [''] : words) {
      const [oid = '', ...rest] = word.split('=')
      shown.push(...(rest.length === 0 ? await entriesOf(table, oid) : [await write(table, oid, rest.join('='))]))
    }
    // JSON has no integers of 64 bits.
    return shown.filter((entry) => entry.writable || writable !== true).map((entry) => ({ ...entry, ...asText(entry) }))
  },
  show: (result, args) => (result as readonly Shown[]).map((entry) => `${lineOf(entry, args.flag)}\n`).join(''),
}

function sysctlOf(machine: VirtualMachine): SysctlTable {
  const { sysctl: table } = machine.running()
  if (table === undefined) throw new CliError('failed', `${machine.name}: its guest is in another process`)
  return table
}

async function entriesOf(table: SysctlTable, oid: string): Promise<readonly SysctlEntry[]> {
  const entries = await table.list(oid)
  if (entries.length === 0 && oid !== '')
    throw new CliError('failed', `unknown oid '${oid}'; without an OID all are listed`)
  return entries
}

async function write(table: SysctlTable, oid: string, value: string): Promise<Shown> {
  const [before] = await entriesOf(table, oid)
  await table.set(oid, value)
  const [after] = await entriesOf(table, oid)
  if (before === undefined || after === undefined) throw new CliError('failed', `unknown oid '${oid}'`)
  return { ...after, before: before.value }
}

function asText({ value, before }: Shown): Partial<Shown> {
  return {
    ...(typeof value === 'bigint' ? { value: String(value) } : {}),
    ...(typeof before === 'bigint' ? { before: String(before) } : {}),
  }
}

function lineOf({ name, description, value, before }: Shown, flag: (name: string) => boolean): string {
  if (flag('names')) return name
  const said = flag('descriptions') ? description : before === undefined ? String(value) : `${before} -> ${value}`
  return flag('values') ? said : `${name}: ${said}`
}
