import { parseArgs } from 'node:util'
import { CliError } from './cli-error.ts'

/** An option of a command as `--help` shows it and as it is parsed. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  /** May be given more than once. */
  readonly multiple?: boolean
  readonly short?: string
  /** What stands for the value in the help (`FILE`). */
  readonly value?: string
  readonly help: string
}

/** A parsed command line. */
export interface Arguments {
  readonly positionals: readonly string[]
  flag(name: string): boolean
  text(name: string): string | undefined
  list(name: string): readonly string[]
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What follows the name (`FILE [SIZE]`). */
  readonly usage: string
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Longest number of positional arguments. */
  readonly positionals?: number
  readonly details?: string
  /** Ends when the work is done; `signal` is aborted by Ctrl-C or SIGTERM. */
  run(args: Arguments, signal: AbortSignal): Promise<void>
}

/** Options that every command has. */
export const COMMON: Readonly<Record<string, OptionSpec>> = {
  help: { type: 'boolean', short: 'h', help: 'show this help' },
  debug: { type: 'boolean', help: 'show the stack of an error' },
}

/** @throws CliError `usage` for an unknown option, a missing value, too many arguments. */
export function parseCommandLine(command: Command, argv: readonly string[]): Arguments {
  const options = { ...command.options, ...COMMON }
  const parsed = parse(command, argv, options)
  const limit = command.positionals ?? 0
  if (parsed.positionals.length > limit) {
    throw new CliError('usage', `bis ${command.name}: unexpected argument ${JSON.stringify(parsed.positionals[limit])}`)
  }
  const values = parsed.values as Record<string, string | boolean | string[] | undefined>
  return {
    positionals: parsed.positionals,
    flag: (name) => values[name] === true,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    list: (name) => (Array.isArray(values[name]) ? values[name] : []),
  }
}

function parse(command: Command, argv: readonly string[], options: Readonly<Record<string, OptionSpec>>) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple, short }]) => [
      name,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  )
  try {
    return parseArgs({ args: [...argv], options: config, allowPositionals: true })
  } catch (error) {
    const reason = (error as Error).message.split('. ', 1)[0]
    throw new CliError('usage', `bis ${command.name}: ${reason}; see bis ${command.name} --help`)
  }
}

export function helpOf(command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON })
  const rows = options.map(([name, { short, value, help }]) => {
    const flag = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
    return [flag, help] as const
  })
  const width = Math.max(...rows.map(([flag]) => flag.length))
  return [
    `usage: bis ${command.name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`),
  ].join('\n')
}
