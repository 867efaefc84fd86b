import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { CliError } from '../cli-error.ts'
import {
  FIXED_NEWSTYLE,
  INIT_MAGIC,
  NbdCommand,
  NbdErrno,
  NO_ZEROES,
  OPTION_MAGIC,
  Option,
  REQUEST_MAGIC,
  TransmissionFlag,
} from './protocol.ts'
import { SocketReader } from './socket-reader.ts'

const REASONS: Readonly<Record<number, string>> = {
  [NbdErrno.perm]: 'the server does not allow it',
  [NbdErrno.inval]: 'the disk cannot have that size',
  [NbdErrno.nospc]: 'no space left where the image is',
}

/** The path in `nbd+unix:///?socket=PATH`, or undefined for what is no such URI. @throws CliError `usage`. */
export function nbdSocketOf(text: string): string | undefined {
  if (!text.startsWith('nbd+unix:')) return undefined
  const path = URL.canParse(text) ? new URL(text).searchParams.get('socket') : null
  if (path === null || path === '') throw new CliError('usage', `${text}: write nbd+unix:///?socket=PATH`)
  return path
}

/**
 * Asks an NBD server to change the size of its export, by the RESIZE extension of the protocol.
 * @param choose gets the size now and gives the one wanted; it may throw
 */
export async function resizeExport(path: string, choose: (now: number) => number): Promise<void> {
  const socket = connect(path)
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const reader = new SocketReader(socket)
    const { size, flags } = await negotiate(socket, reader)
    const wanted = choose(size)
    if ((flags & TransmissionFlag.sendResize) === 0) {
      throw new CliError('failed', `${path}: the server cannot change the size of its disk`)
    }
    socket.write(request(NbdCommand.resize, wanted))
    const error = (await expect(reader, 16)).readUInt32BE(4)
    socket.write(request(NbdCommand.disconnect, 0))
    if (error !== 0) throw new CliError('failed', `${path}: ${REASONS[error] ?? `error ${error} of the server`}`)
  } finally {
    socket.destroy()
  }
}

async function negotiate(socket: Socket, reader: SocketReader): Promise<{ size: number; flags: number }> {
  const greeting = await expect(reader, 18)
  if (greeting.readBigUInt64BE(0) !== INIT_MAGIC || greeting.readBigUInt64BE(8) !== OPTION_MAGIC) {
    throw new CliError('failed', 'the server does not speak NBD as it is today')
  }
  const answer = Buffer.alloc(20)
  answer.writeUInt32BE(FIXED_NEWSTYLE | NO_ZEROES, 0)
  answer.writeBigUInt64BE(OPTION_MAGIC, 4)
  answer.writeUInt32BE(Option.exportName, 12)
  socket.write(answer)
  const info = await expect(reader, 10)
  return { size: Number(info.readBigUInt64BE(0)), flags: info.readUInt16BE(8) }
}

async function expect(reader: SocketReader, length: number): Promise<Buffer> {
  const bytes = await reader.read(length)
  if (bytes === undefined) throw new CliError('failed', 'the server closed the connection')
  return bytes
}

function request(type: number, offset: number): Buffer {
  const header = Buffer.alloc(28)
  header.writeUInt32BE(REQUEST_MAGIC, 0)
  header.writeUInt16BE(type, 6)
  header.writeBigUInt64BE(BigInt(offset), 16)
  return header
}
