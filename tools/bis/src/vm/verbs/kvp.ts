import type { KvpComponent } from '@bis/host'
import { IcError } from '@bis/host'
import { CliError } from '../../cli-error.ts'
import type { PoolItem } from '../../pool-option.ts'
import { formatItems, POOL_NAMES, POOL_OPTION, parsePool } from '../../pool-option.ts'
import type { VmVerb } from '../verb.ts'

const AUTO = 2
const ALL = POOL_NAMES.map((_, number) => number)

type Action = (
  kvp: KvpComponent,
  pools: readonly number[],
  words: readonly string[],
  signal: AbortSignal,
) => Promise<unknown>

const ACTIONS: Readonly<Record<string, { words: number; act: Action }>> = {
  list: { words: 0, act: (kvp, pools, _, signal) => list(kvp, pools, signal) },
  get: { words: 1, act: (kvp, pools, [key = ''], signal) => get(kvp, pools, key, signal) },
  set: {
    words: 2,
    act: (kvp, [pool = 0], [key = '', value = ''], signal) => kvp.set(pool, key, value, signal),
  },
  delete: { words: 1, act: (kvp, [pool = 0], [key = ''], signal) => remove(kvp, pool, key, signal) },
}

/** `bis vm kvp NAME list|get|set|delete …`. */
export const kvp: VmVerb = {
  usage: 'NAME list|get KEY|set KEY VALUE|delete KEY [--pool POOL]',
  summary: "read and change the guest's key-value pairs; set and delete work on pool 0, the host's, unless told",
  options: { pool: POOL_OPTION, json: { type: 'boolean', help: 'print JSON' } },
  words: 3,
  async serve(machine, { words: [name = 'list', ...words], options }, { signal }) {
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
    if (action === undefined) {
      throw new CliError('usage', `bis vm kvp: no ${JSON.stringify(name)}; there is ${Object.keys(ACTIONS).join(', ')}`)
    }
    if (words.length !== action.words) throw new CliError('usage', `bis vm kvp ${name}: ${kvp.usage}`)
    const changes = name === 'set' || name === 'delete'
    const pools = typeof options['pool'] === 'string' ? [parsePool(options['pool'])] : changes ? [0] : ALL
    try {
      return await action.act(machine.running().services.kvp, pools, words, signal)
    } catch (error) {
      if (error instanceof IcError) throw new CliError('failed', `${machine.name}: ${error.message}`)
      throw error
    }
  },
  show(result) {
    if (Array.isArray(result)) return formatItems(result as PoolItem[])
    return typeof result === 'string' ? `${result}\n` : ''
  },
}

async function list(kvp: KvpComponent, pools: readonly number[], signal: AbortSignal): Promise<PoolItem[]> {
  const items: PoolItem[] = []
  for (const pool of pools) {
    for (const { key, value } of await kvp.list(pool, signal)) items.push({ pool, key, value })
  }
  return items
}

async function get(kvp: KvpComponent, pools: readonly number[], key: string, signal: AbortSignal): Promise<string> {
  for (const pool of pools) {
    // Enumerating is what guests are used to: some answer GET with nothing, and what is in pool 2 they make up.
    const item = (await kvp.list(pool, signal)).find((other) => other.key === key)
    if (item !== undefined) return item.value
  }
  const where = pools.length === 1 ? `pool ${pools[0]}` : 'any pool'
  throw new CliError('failed', `the guest has no ${JSON.stringify(key)} in ${where}`)
}

async function remove(kvp: KvpComponent, pool: number, key: string, signal: AbortSignal): Promise<void> {
  if (pool === AUTO)
    throw new CliError('usage', 'pool 2 is what the guest says of itself: nothing there can be deleted')
  if (!(await kvp.delete(pool, key, signal))) {
    throw new CliError('failed', `the guest has no ${JSON.stringify(key)} in pool ${pool}`)
  }
}
