import { CliError } from '../../cli-error.ts'
import type { Command } from '../../command.ts'
import { deleteKey, get, list, set } from './edit.ts'
import type { KvpVerb } from './verb.ts'
import { FOLDER_OPTIONS } from './verb.ts'
import { watch } from './watch.ts'

const VERBS: Readonly<Record<string, KvpVerb>> = { list, get, set, delete: deleteKey, watch }

/** `bis kvp VERB …`: the pools of the guest that this system is. */
export const kvp: Command = {
  name: 'kvp',
  summary: 'read, change and watch the key-value pools of this guest of Hyper-V or Azure',
  usage: `${Object.keys(VERBS).join('|')} …`,
  options: Object.assign({}, ...Object.values(VERBS).map(({ options }) => options), FOLDER_OPTIONS),
  positionals: 3,
  details: Object.entries(VERBS)
    .map(([name, { usage, summary }]) => `  bis kvp ${name} ${usage}\n      ${summary}`)
    .join('\n'),
  async run(args, signal) {
    const [name, ...words] = args.positionals
    if (name === undefined) throw new CliError('usage', 'bis kvp: what is to be done is missing; see bis kvp --help')
    const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
    if (verb === undefined) {
      throw new CliError('usage', `bis kvp: no ${JSON.stringify(name)}; there is ${Object.keys(VERBS).join(', ')}`)
    }
    for (const option of Object.keys(kvp.options)) {
      const given = args.flag(option) || args.text(option) !== undefined
      if (given && !(option in verb.options) && !(option in FOLDER_OPTIONS)) {
        throw new CliError('usage', `bis kvp ${name} takes no --${option}`)
      }
    }
    if (words.length !== verb.words) throw new CliError('usage', `usage: bis kvp ${name} ${verb.usage}`)
    await verb.run(words, args, signal)
  },
}
