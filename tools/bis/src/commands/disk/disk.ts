import { CliError } from '../../cli-error.ts'
import type { Command } from '../../command.ts'
import { compact, merge, resize } from './change.ts'
import { check } from './check.ts'
import { convert } from './convert.ts'
import { create } from './create.ts'
import { info } from './info.ts'
import type { DiskVerb } from './verb.ts'

const VERBS: Readonly<Record<string, DiskVerb>> = { info, check, create, convert, resize, compact, merge }

/** `bis disk VERB …`: work on raw, VHD and VHDX images. */
export const disk: Command = {
  name: 'disk',
  summary: 'work on disk images: raw, VHD and VHDX',
  usage: `${Object.keys(VERBS).join('|')} FILE …`,
  options: Object.assign({}, ...Object.values(VERBS).map(({ options }) => options)),
  positionals: 3,
  details: Object.entries(VERBS)
    .map(([name, { usage, summary }]) => `  bis disk ${name} ${usage}\n      ${summary}`)
    .join('\n'),
  async run(args, signal) {
    const [name, ...files] = args.positionals
    if (name === undefined) throw new CliError('usage', 'bis disk: what is to be done is missing; see bis disk --help')
    const verb = VERBS[name]
    if (verb === undefined) {
      throw new CliError('usage', `bis disk: no ${JSON.stringify(name)}; there is ${Object.keys(VERBS).join(', ')}`)
    }
    for (const option of Object.keys(disk.options)) {
      if (!(option in verb.options) && (args.flag(option) || args.text(option) !== undefined)) {
        throw new CliError('usage', `bis disk ${name} takes no --${option}`)
      }
    }
    await verb.run(files, args, signal)
  },
}
