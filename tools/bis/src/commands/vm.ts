import { CliError } from '../cli-error.ts'
import type { Arguments, Command } from '../command.ts'
import { askMachine } from '../vm/control-client.ts'
import { machineNames } from '../vm/control-directory.ts'
import type { ControlRequest } from '../vm/control-protocol.ts'
import type { MachineDescription } from '../vm/describe.ts'
import { formatDuration, formatTable } from '../vm/table.ts'
import type { VmVerb } from '../vm/verb.ts'
import { VERBS } from '../vm/verbs/index.ts'

const LIST_USAGE = '[--json]'
const LIST_SUMMARY = 'the machines that run under bis boot --stay or bis host'

/** `bis vm VERB NAME …`: steers a running machine through its control socket. */
export const vm: Command = {
  name: 'vm',
  summary: 'steer a machine that runs under bis boot --stay or bis host',
  usage: `list|${Object.keys(VERBS).join('|')} NAME …`,
  options: Object.assign(
    { json: { type: 'boolean', help: 'print JSON' } },
    ...Object.values(VERBS).map(({ options }) => withoutShort(options)),
  ),
  positionals: 3 + Math.max(...Object.values(VERBS).map(({ words }) => words ?? 0)),
  details: [['list', { usage: LIST_USAGE, summary: LIST_SUMMARY }] as const, ...Object.entries(VERBS)]
    .map(([name, { usage, summary }]) => `  bis vm ${name} ${usage}\n      ${summary}`)
    .join('\n'),
  async run(args, signal) {
    const [verb, ...rest] = args.positionals
    if (verb === undefined) throw new CliError('usage', 'bis vm: what is to be done is missing; see bis vm --help')
    if (verb === 'list') return list(args, rest[0], signal)
    const known = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined
    if (known === undefined) {
      throw new CliError('usage', `bis vm: no ${JSON.stringify(verb)}; there is list, ${Object.keys(VERBS).join(', ')}`)
    }
    const action = known.actions === undefined ? [] : [actionOf(verb, known.actions, rest.shift())]
    const [name, ...words] = rest
    const said = [verb, ...action].join(' ')
    if (name === undefined) throw new CliError('usage', `bis vm ${said}: NAME is missing; bis vm list shows the names`)
    const limit = known.words ?? 0
    if (words.length > limit)
      throw new CliError('usage', `bis vm ${said}: unexpected argument ${JSON.stringify(words[limit])}`)
    await ask(verb, known, name, [...action, ...words], args, signal)
  },
}

/** A letter is one verb's; two may have it for different options. */
function withoutShort(options: VmVerb['options']): VmVerb['options'] {
  return Object.fromEntries(Object.entries(options).map(([name, { short: _, ...option }]) => [name, option] as const))
}

function actionOf(verb: string, actions: readonly string[], word: string | undefined): string {
  if (word !== undefined && actions.includes(word)) return word
  const wrong = word === undefined ? 'what is to be done is missing' : `no ${JSON.stringify(word)}`
  throw new CliError('usage', `bis vm ${verb}: ${wrong}; there is ${actions.join(', ')}`)
}

async function ask(
  verb: string,
  known: VmVerb,
  name: string,
  words: readonly string[],
  args: Arguments,
  signal: AbortSignal,
): Promise<void> {
  const request = { verb, words: known.prepare?.(words, args) ?? words, options: given(verb, known, args) }
  const progress = (text: string): void => void process.stderr.write(`${text}\n`)
  const result = await askMachine(name, request, signal, process.stderr.isTTY ? progress : undefined)
  if (args.flag('json')) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  else if (known.show !== undefined) process.stdout.write(known.show(result, args))
}

/** The options of the command line that the verb takes. @throws CliError `usage` for one that it does not take */
function given(verb: string, known: VmVerb, args: Arguments): ControlRequest['options'] {
  const options: Record<string, string | boolean | readonly string[]> = {}
  for (const [option, { multiple }] of Object.entries(vm.options)) {
    const value =
      args.text(option) ?? (multiple === true && args.list(option).length > 0 ? args.list(option) : undefined)
    if (value === undefined && !args.flag(option)) continue
    if (!(option in known.options)) throw new CliError('usage', `bis vm ${verb} takes no --${option}`)
    if (option !== 'json') options[option] = value ?? true
  }
  return options
}

async function list(args: Arguments, extra: string | undefined, signal: AbortSignal): Promise<void> {
  if (extra !== undefined) throw new CliError('usage', `bis vm list: unexpected argument ${JSON.stringify(extra)}`)
  const machines: MachineDescription[] = []
  for (const name of await machineNames()) {
    const machine = await describe(name, signal)
    if (machine !== undefined) machines.push(machine)
  }
  if (args.flag('json')) {
    process.stdout.write(`${JSON.stringify(machines, null, 2)}\n`)
    return
  }
  const head = ['Name', 'State', 'Uptime', 'Heartbeat', 'Host']
  const rows = machines.map(({ name, state, uptime, heartbeat, host }) => {
    return [name, state, formatDuration(uptime), heartbeat, host]
  })
  process.stdout.write(formatTable([head, ...rows]))
}

/** A socket that nobody listens at any more is none of the list's, and goes. */
async function describe(name: string, signal: AbortSignal): Promise<MachineDescription | undefined> {
  try {
    const answer = await askMachine(name, { verb: 'show', words: [], options: {} }, signal)
    return answer as MachineDescription
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CliError) return undefined
    throw error
  }
}
