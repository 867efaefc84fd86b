import type { SplitStyle } from '@bis/kvp'
import { deleteLong, getLong, KvpError, setLong } from '@bis/kvp'
import type { FilePool } from '@bis/kvp/node'
import { CliError } from '../../cli-error.ts'
import type { Arguments } from '../../command.ts'
import { formatItems } from '../../pool-option.ts'
import type { KvpVerb } from './verb.ts'
import { chosenPool, JSON_OPTION, openFolder, UNLOCKED_OPTION } from './verb.ts'

/** The pool that the host reads: what a guest changes. */
const GUEST = 1

export const list: KvpVerb = {
  usage: '[--pool POOL] [--json]',
  summary: 'print all pairs, of all pools unless one is named',
  options: { json: JSON_OPTION },
  words: 0,
  async run(_, args) {
    const items = []
    for (const pool of await pools(args)) {
      for (const { key, value } of await pool.list()) items.push({ pool: pool.number, key, value })
    }
    process.stdout.write(args.flag('json') ? `${JSON.stringify(items, null, 2)}\n` : formatItems(items))
  },
}

export const get: KvpVerb = {
  usage: 'KEY [--pool POOL] [--join] [--json]',
  summary: 'print the value of a key, from the first pool that has it unless one is named',
  options: {
    join: { type: 'boolean', help: 'put a value that was split together again' },
    json: JSON_OPTION,
  },
  words: 1,
  async run([key = ''], args) {
    for (const pool of await pools(args)) {
      const value = args.flag('join') ? await getLong(pool, key) : await pool.get(key)
      if (value === undefined) continue
      const item = { pool: pool.number, key, value }
      process.stdout.write(args.flag('json') ? `${JSON.stringify(item, null, 2)}\n` : `${value}\n`)
      return
    }
    const chosen = chosenPool(args)
    throw new CliError('failed', `no ${JSON.stringify(key)} in ${chosen === undefined ? 'any pool' : `pool ${chosen}`}`)
  },
}

export const set: KvpVerb = {
  usage: 'KEY VALUE [--pool POOL] [--split indexed|repeated] [--create]',
  summary:
    'add a key or change its value, in pool 1 (for the host) unless another is named; VALUE - reads it from stdin',
  options: {
    split: {
      type: 'string',
      value: 'STYLE',
      help: "split a long value: indexed (KEY|0, KEY|1, …) as cloud-init, repeated as Azure's agents",
    },
    create: { type: 'boolean', help: 'make the pool file when it is not there' },
    unlocked: UNLOCKED_OPTION,
  },
  words: 2,
  async run([key = '', text = ''], args) {
    const pool = openFolder(args).pool(chosenPool(args) ?? GUEST)
    const value = text === '-' ? (await readInput()).replace(/\n$/, '') : text
    const style = args.text('split')
    if (style === undefined) await pool.set(key, value)
    else await setLong(pool, key, value, { style: parseStyle(style), checksum: true })
  },
}

export const deleteKey: KvpVerb = {
  usage: 'KEY [--pool POOL] [--join]',
  summary: 'remove a key, from pool 1 unless another is named',
  options: { join: { type: 'boolean', help: 'remove all parts of a value that was split' }, unlocked: UNLOCKED_OPTION },
  words: 1,
  async run([key = ''], args) {
    const pool = openFolder(args).pool(chosenPool(args) ?? GUEST)
    const removed = args.flag('join') ? await deleteLong(pool, key) : await pool.delete(key)
    if (!removed) throw new CliError('failed', `no ${JSON.stringify(key)} in pool ${pool.number}`)
  },
}

/** The pool that was named, or all that are there. @throws KvpError `no-pool` when there is none */
async function pools(args: Arguments): Promise<FilePool[]> {
  const folder = openFolder(args)
  const chosen = chosenPool(args)
  if (chosen !== undefined) return [folder.pool(chosen)]
  const there: FilePool[] = []
  for (const pool of folder.pools) {
    try {
      await pool.at(0)
      there.push(pool)
    } catch (error) {
      if (!(error instanceof KvpError && error.code === 'no-pool')) throw error
    }
  }
  if (there.length === 0) throw new KvpError('no-pool', `no pools in ${folder.folder}; is the KVP daemon running?`)
  return there
}

function parseStyle(text: string): SplitStyle {
  if (text === 'indexed' || text === 'repeated') return text
  throw new CliError('usage', `--split ${JSON.stringify(text)}: choose indexed or repeated`)
}

async function readInput(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) text += chunk
  return text
}
