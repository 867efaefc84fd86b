import type { KvpPoolNumber } from '@bis/kvp'
import { CliError } from './cli-error.ts'
import type { OptionSpec } from './command.ts'

/** Pools by number, as Hyper-V's documents call them. */
export const POOL_NAMES = ['external', 'guest', 'auto', 'auto-external', 'auto-internal'] as const

export const POOL_OPTION: OptionSpec = {
  type: 'string',
  value: 'POOL',
  help: `number or name: ${POOL_NAMES.map((name, number) => `${number} ${name}`).join(', ')}`,
}

/** @throws CliError `usage` */
export function parsePool(text: string): KvpPoolNumber {
  const number = /^\d$/.test(text) ? Number(text) : (POOL_NAMES as readonly string[]).indexOf(text)
  if (number < 0 || number >= POOL_NAMES.length) {
    throw new CliError('usage', `--pool ${JSON.stringify(text)}: choose 0 to 4, or ${POOL_NAMES.join(', ')}`)
  }
  return number as KvpPoolNumber
}

/** A key with its value, and the pool it is in. */
export interface PoolItem {
  readonly pool: number
  readonly key: string
  readonly value: string
}

/** One line for each: pool, key, value; control characters as JSON writes them. */
export function formatItems(items: readonly PoolItem[]): string {
  const plain = (text: string): string =>
    text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
  return items.map(({ pool, key, value }) => `${pool}  ${plain(key)} = ${plain(value)}\n`).join('')
}
