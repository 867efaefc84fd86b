import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CliError } from './cli-error.ts'
import type { Arguments, OptionSpec } from './command.ts'

/** What `sockaddr_un` holds, less its NUL. */
export const LONGEST_SOCKET_PATH = 107

/** `--socket` of every command that listens. */
export const SOCKET_OPTION: OptionSpec = { type: 'string', value: 'PATH', help: 'Unix socket to listen on' }

/** @throws CliError `usage` without the option, `input` as `checkSocketPath` */
export async function parseSocketOption(command: string, args: Arguments): Promise<string> {
  const path = args.text('socket')
  if (path === undefined) throw new CliError('usage', `bis ${command}: --socket PATH is missing`)
  await checkSocketPath(`--socket ${path}`, path)
  return path
}

/** @throws CliError `input` where nobody could listen; the system's own words do not tell why */
export async function checkSocketPath(option: string, path: string): Promise<void> {
  const bytes = Buffer.byteLength(path)
  if (bytes > LONGEST_SOCKET_PATH) {
    throw new CliError('input', `${option}: the path has ${bytes} bytes; a socket's has ${LONGEST_SOCKET_PATH} at most`)
  }
  const folder = dirname(path)
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory() !== true) throw new CliError('input', `${option}: there is no folder ${folder}`)
}
