import { CliError, describeError, exitStatus } from './cli-error.ts'
import type { Command } from './command.ts'
import { helpOf, parseCommandLine } from './command.ts'
import { COMMANDS } from './commands/index.ts'

/** Runs one command line. @returns the exit status: 0 only when what was asked for happened. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const debug = argv.includes('--debug')
  const abort = new AbortController()
  let interrupted: NodeJS.Signals | undefined
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal
    abort.abort(new CliError('failed', 'interrupted', { cause: signal }))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  process.stdout.on('error', endWithoutOutput)
  process.stderr.on('error', () => {})
  try {
    await dispatch(argv, abort.signal)
    await written()
    return 0
  } catch (error) {
    if (interrupted !== undefined) return interrupted === 'SIGINT' ? 130 : 143
    process.stderr.write(`bis: ${describeError(error)}\n`)
    if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return exitStatus(error)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

async function dispatch(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const [first, ...rest] = argv.filter((argument) => argument !== '--debug')
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(`${overview(await Promise.all(Object.values(COMMANDS).map((load) => load())))}\n`)
    return
  }
  const load = COMMANDS[first]
  if (load === undefined) throw new CliError('usage', `no command ${JSON.stringify(first)}; bis --help lists them`)
  const command = await load()
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${helpOf(command)}\n`)
    return
  }
  await command.run(parseCommandLine(command, rest), signal)
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return [
    'usage: bis COMMAND …',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'bis COMMAND --help tells more of each.',
  ].join('\n')
}

/** An output that cannot be written says so in a later turn. */
async function written(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/** The reader of a pipe left early (`bis … | head`): no error of ours. Or the disk is full. */
function endWithoutOutput(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`bis: ${describeError(Object.assign(error, { path: 'standard output' }))}\n`)
  process.exit(1)
}
