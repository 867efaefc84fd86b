import { chmod, lstat, mkdir, readdir } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { CliError } from '../cli-error.ts'
import { LONGEST_SOCKET_PATH } from '../socket-option.ts'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const SUFFIX = '.sock'
const OTHERS = 0o077

/**
 * The directory of the control sockets: its owner's only, and made when it is not there.
 * @throws CliError `failed` when it is somebody else's, or open to others
 */
export async function controlDirectory(): Promise<string> {
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? ''
  const path = runtime.startsWith('/') ? join(runtime, 'bis') : join(tmpdir(), `bis-${userInfo().uid}`)
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new CliError('failed', `XDG_RUNTIME_DIR: there is no folder ${dirname(path)}`)
    if (code !== 'EEXIST') throw error
  }
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new CliError('failed', `${path}: not a directory of yours; remove it, or set XDG_RUNTIME_DIR`)
  }
  if ((found.mode & OTHERS) !== 0) await chmod(path, 0o700)
  return path
}

/** The control socket of a machine. @throws CliError `usage` for a name that cannot be one */
export async function controlPath(name: string): Promise<string> {
  checkName(name)
  const path = join(await controlDirectory(), `${name}${SUFFIX}`)
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH)
    throw new CliError('usage', `--name ${name}: the socket's path is too long: ${path}`)
  return path
}

/** @throws CliError `usage` */
export function checkName(name: string): void {
  if (!NAME.test(name))
    throw new CliError(
      'usage',
      `${JSON.stringify(name)} is no machine's name: letters, digits, dots and dashes, 64 at most`,
    )
}

/** Names of the machines that have a socket, whether or not one listens there. */
export async function machineNames(): Promise<string[]> {
  const files = await readdir(await controlDirectory())
  return files
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort()
}
