import { unlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { CliError } from '../cli-error.ts'
import { controlPath } from './control-directory.ts'
import type { ControlReply, ControlRequest } from './control-protocol.ts'
import { parseReply, readLines, writeLine } from './control-protocol.ts'

/**
 * Connects to a machine's socket; one that nobody listens at is removed.
 * @returns undefined when no machine of this name runs
 */
export async function reachMachine(name: string): Promise<Socket | undefined> {
  const path = await controlPath(name)
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const socket = connect(path)
      socket.once('connect', () => resolve(socket))
      socket.once('error', reject)
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED') await unlink(path).catch(() => {})
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Asks a machine for something and waits until it is done.
 * @throws CliError as the machine's process did, or `failed` when there is no such machine
 */
export async function askMachine(
  name: string,
  request: ControlRequest,
  signal: AbortSignal,
  onProgress: (text: string) => void = () => {},
): Promise<unknown> {
  const socket = await reachMachine(name)
  if (socket === undefined)
    throw new CliError('failed', `no machine ${name} is running; bis vm list shows those that are`)
  const abort = (): void => void socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const reply = await exchange(socket, request, onProgress)
    if (reply !== undefined && 'error' in reply) throw new CliError(reply.code, reply.error)
    if (reply === undefined) {
      signal.throwIfAborted()
      throw new CliError('failed', `${name} hung up before it had answered`)
    }
    return 'result' in reply ? reply.result : undefined
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function exchange(
  socket: Socket,
  request: ControlRequest,
  onProgress: (text: string) => void,
): Promise<ControlReply | undefined> {
  return new Promise((resolve, reject) => {
    socket.on('error', () => {})
    socket.once('close', () => resolve(undefined))
    readLines(socket, (line) => {
      try {
        const reply = parseReply(line)
        if ('progress' in reply) onProgress(reply.progress)
        else resolve(reply)
      } catch (error) {
        reject(error)
      }
    })
    writeLine(socket, request)
  })
}
