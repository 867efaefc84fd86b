import type { KvpPoolNumber } from '@bis/kvp'
import { PoolFolder } from '@bis/kvp/node'
import type { Arguments, OptionSpec } from '../../command.ts'
import { POOL_OPTION, parsePool } from '../../pool-option.ts'

/** One verb of `bis kvp`. */
export interface KvpVerb {
  readonly usage: string
  readonly summary: string
  readonly options: Readonly<Record<string, OptionSpec>>
  /** How many words follow the verb. */
  readonly words: number
  run(words: readonly string[], args: Arguments, signal: AbortSignal): Promise<void>
}

/** Options of every verb. */
export const FOLDER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  pool: POOL_OPTION,
  dir: { type: 'string', value: 'DIR', help: "folder of the pool files; default: this system's daemon's" },
}

export const JSON_OPTION: OptionSpec = { type: 'boolean', help: 'print JSON' }

export const UNLOCKED_OPTION: OptionSpec = {
  type: 'boolean',
  help: 'change files without a lock: only where no KVP daemon runs',
}

export function openFolder(args: Arguments): PoolFolder {
  const folder = args.text('dir')
  return new PoolFolder({
    ...(folder === undefined ? {} : { folder }),
    ...(args.flag('unlocked') ? { lock: 'none' as const } : {}),
    ...(args.flag('create') ? { create: 'private' as const } : {}),
  })
}

/** The pool that was named. @throws CliError `usage` */
export function chosenPool(args: Arguments): KvpPoolNumber | undefined {
  const text = args.text('pool')
  return text === undefined ? undefined : parsePool(text)
}
