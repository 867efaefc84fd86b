import { CliError } from '../../cli-error.ts'
import type { LoadedModule, ModuleTable } from '../../loadable-modules.ts'
import type { VmVerb } from '../verb.ts'
import type { VirtualMachine } from '../virtual-machine.ts'

function modulesOf(machine: VirtualMachine): ModuleTable {
  const { modules } = machine.running()
  if (modules === undefined) throw new CliError('failed', `${machine.name}: its guest is in another process`)
  return modules
}

export const kldstat: VmVerb = {
  usage: 'NAME',
  summary: "list the guest's kernel modules",
  options: { json: { type: 'boolean', help: 'print JSON' } },
  serve: (machine) => modulesOf(machine).loaded(),
  show: (result) => {
    const rows = (result as readonly LoadedModule[]).map(
      ({ id, references, name }) => `${String(id).padStart(2)} ${String(references).padStart(4)} ${name}\n`,
    )
    return `Id Refs Name\n${rows.join('')}`
  },
}

export const kldload: VmVerb = {
  usage: 'NAME MODULE',
  summary: 'load a kernel module, and before it those it needs',
  options: {},
  words: 1,
  serve: (machine, { words: [module] }) => {
    if (module === undefined) throw new CliError('usage', 'bis kldload: MODULE is missing')
    return modulesOf(machine).load(module)
  },
}

export const kldunload: VmVerb = {
  usage: 'NAME MODULE',
  summary: 'unload a kernel module; its devices are detached',
  options: {},
  words: 1,
  serve: (machine, { words: [module] }) => {
    if (module === undefined) throw new CliError('usage', 'bis kldunload: MODULE is missing')
    return modulesOf(machine).unload(module)
  },
}
