import type { Arguments, OptionSpec } from '../../command.ts'

/** One verb of `bis disk`. */
export interface DiskVerb {
  readonly usage: string
  readonly summary: string
  readonly options: Readonly<Record<string, OptionSpec>>
  run(files: readonly string[], args: Arguments, signal: AbortSignal): Promise<void>
}
