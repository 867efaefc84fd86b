import { CliError } from '../../cli-error.ts'
import type { LoadedModule, ModuleTable } from '../../loadable-modules.ts'
import type { ControlRequest } from '../control-protocol.ts'
import type { VmVerb } from '../verb.ts'
import type { VirtualMachine } from '../virtual-machine.ts'

const json = { type: 'boolean', help: 'print JSON' } as const
const verbose = { type: 'boolean', short: 'v', help: 'tell more: the drivers in each module, what was loaded' } as const
const MOST_MODULES = 16

function modulesOf(machine: VirtualMachine): ModuleTable {
  const { modules } = machine.running()
  if (modules === undefined) throw new CliError('failed', `${machine.name}: its guest is in another process`)
  return modules
}

export const kldstat: VmVerb = {
  usage: 'NAME [--id ID | --file MODULE | --driver BUS/DRIVER]',
  summary: "list the guest's kernel modules, as kldstat(8)",
  options: {
    json,
    verbose,
    id: { type: 'string', short: 'i', value: 'ID', help: 'only the module of this number' },
    file: { type: 'string', short: 'n', value: 'MODULE', help: 'only this module' },
    driver: { type: 'string', short: 'm', value: 'BUS/DRIVER', help: 'only the module with this driver' },
  },
  serve: async (machine, { options }) => select(await modulesOf(machine).loaded(), options),
  show: (result, args) => {
    const rows = (result as readonly LoadedModule[]).map(({ id, references, name, drivers }) => {
      const row = `${String(id).padStart(2)} ${String(references).padStart(4)} ${fileOf(name)}\n`
      return args.flag('verbose') ? `${row}\tContains drivers:\n${drivers.map((one) => `\t\t${one}\n`).join('')}` : row
    })
    return `Id Refs Name\n${rows.join('')}`
  },
}

function select(
  all: readonly LoadedModule[],
  { id, file, driver }: ControlRequest['options'],
): readonly LoadedModule[] {
  const [what, found] =
    id !== undefined
      ? [`file id ${id}`, all.filter((module) => String(module.id) === id)]
      : file !== undefined
        ? [`file ${file}`, all.filter(({ name }) => name === file || fileOf(name) === file)]
        : driver !== undefined
          ? [`driver ${driver}`, all.filter(({ drivers }) => drivers.includes(String(driver)))]
          : ['', all]
  if (found.length === 0) throw new CliError('failed', `can't find ${what}; kldstat --verbose lists them`)
  return found
}

export const kldload: VmVerb = {
  usage: 'NAME MODULE…',
  summary: 'load kernel modules, and before them those they need, as kldload(8)',
  options: {
    verbose,
    needed: { type: 'boolean', short: 'n', help: 'be content with a module that is loaded already' },
  },
  words: MOST_MODULES,
  async serve(machine, { words, options: { needed } }) {
    const table = modulesOf(machine)
    return each('kldload', words, async (module) => {
      if (needed === true && (await loadedAs(table, module)) !== undefined) return `${module} is loaded already`
      await table.load(module)
      return `loaded ${module}, id=${(await loadedAs(table, module))?.id}`
    })
  },
  show: (result, args) => (args.flag('verbose') ? `${(result as string[]).join('\n')}\n` : ''),
}

export const kldunload: VmVerb = {
  usage: 'NAME MODULE… | NAME --id ID',
  summary: 'unload kernel modules, as kldunload(8); their devices are detached, and what was loaded for them goes too',
  options: { verbose, id: { type: 'string', short: 'i', value: 'ID', help: 'the module of this number' } },
  words: MOST_MODULES,
  async serve(machine, { words, options: { id: asked } }) {
    const table = modulesOf(machine)
    const named = asked === undefined ? [] : select(await table.loaded(), { id: asked })
    return each('kldunload', [...words, ...named.map(({ name }) => name)], async (module) => {
      const id = (await loadedAs(table, module))?.id
      await table.unload(module)
      return `unloaded ${module}, id=${id}`
    })
  },
  show: (result, args) => (args.flag('verbose') ? `${(result as string[]).join('\n')}\n` : ''),
}

/** All of them, even when some fail. */
async function each(
  command: string,
  words: readonly string[],
  work: (word: string) => Promise<string>,
): Promise<string[]> {
  if (words.length === 0) throw new CliError('usage', `bis ${command}: MODULE is missing`)
  const done: string[] = []
  const failed: string[] = []
  for (const word of words) {
    await work(word).then(
      (line) => done.push(line),
      (error: unknown) => failed.push(error instanceof Error ? error.message : String(error)),
    )
  }
  if (failed.length > 0) throw new CliError('failed', failed.join('; '))
  return done
}

async function loadedAs(table: ModuleTable, name: string): Promise<LoadedModule | undefined> {
  return (await table.loaded()).find((module) => module.name === name || fileOf(module.name) === name)
}

function fileOf(name: string): string {
  return name === 'kernel' ? name : `${name}.ko`
}
