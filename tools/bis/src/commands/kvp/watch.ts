import { watchPools } from '@bis/kvp/node'
import { formatItems } from '../../pool-option.ts'
import type { KvpVerb } from './verb.ts'
import { chosenPool, JSON_OPTION, openFolder } from './verb.ts'

export const watch: KvpVerb = {
  usage: '[--pool POOL] [--initial] [--json]',
  summary: 'print each change until Ctrl-C; with --json a line of JSON for each',
  options: { initial: { type: 'boolean', help: 'print what is there first' }, json: JSON_OPTION },
  words: 0,
  async run(_, args, signal) {
    const folder = openFolder(args)
    const chosen = chosenPool(args)
    const pools = chosen === undefined ? folder.pools : [folder.pool(chosen)]
    for await (const change of watchPools(pools, { signal, initial: args.flag('initial') })) {
      if (args.flag('json')) process.stdout.write(`${JSON.stringify(change)}\n`)
      else if (change.type === 'set') process.stdout.write(formatItems([change]))
      else process.stdout.write(`${change.pool}  ${change.key} deleted\n`)
    }
  },
}
