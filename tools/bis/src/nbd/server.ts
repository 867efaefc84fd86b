import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { CliError } from '../cli-error.ts'
import type { NbdExport } from './export.ts'
import { handshake } from './handshake.ts'
import { SocketReader } from './socket-reader.ts'
import { transmit } from './transmission.ts'

export interface NbdServer extends AsyncDisposable {
  /** Stops listening, lets requests under way end, closes the connections and removes the socket. */
  close(): Promise<void>
}

/**
 * Serves an export on a Unix socket; any number of clients.
 * @throws CliError `input` when the path cannot be listened on.
 */
export async function serveNbd(target: NbdExport, path: string): Promise<NbdServer> {
  const clients = new Map<SocketReader, Promise<void>>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    const reader = new SocketReader(socket)
    const work = serveClient(socket, reader, target).finally(() => clients.delete(reader))
    clients.set(reader, work)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const hint =
        cause.code === 'EADDRINUSE' ? 'something is there already; remove it or choose another path' : cause.code
      reject(new CliError('input', `cannot listen on ${path}: ${hint}`, { cause }))
    })
    server.listen(path, resolve)
  })
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    const work = [...clients.values()]
    for (const reader of clients.keys()) reader.stop()
    await Promise.all([...work, closed])
    await rm(path, { force: true })
  }
  return { close, [Symbol.asyncDispose]: close }
}

async function serveClient(socket: Socket, reader: SocketReader, target: NbdExport): Promise<void> {
  if (await handshake(socket, reader, target)) await transmit(socket, reader, target)
  await new Promise<void>((resolve) => socket.end(resolve))
  socket.destroy()
}
