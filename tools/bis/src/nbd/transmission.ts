import type { Socket } from 'node:net'
import type { NbdExport } from './export.ts'
import { errnoOf } from './export.ts'
import { CommandFlag, MAX_REQUEST_BYTES, NbdCommand, NbdErrno, REQUEST_MAGIC, SIMPLE_REPLY_MAGIC } from './protocol.ts'
import type { SocketReader } from './socket-reader.ts'

/** Requests of one client that may be under way at once; the next is read when one has ended. */
const MAX_IN_FLIGHT = 64

const CHANGING: ReadonlySet<number> = new Set([
  NbdCommand.write,
  NbdCommand.trim,
  NbdCommand.writeZeroes,
  NbdCommand.resize,
])

interface Request {
  readonly flags: number
  readonly type: number
  /** The client's handle, echoed. */
  readonly cookie: Buffer
  readonly offset: number
  readonly length: number
}

/** Serves a client's requests until it disconnects or breaks the protocol; resolves when all of them have ended. */
export async function transmit(socket: Socket, reader: SocketReader, target: NbdExport): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  for (;;) {
    const header = await reader.read(28)
    if (header === undefined || header.readUInt32BE(0) !== REQUEST_MAGIC) break
    const request = parseRequest(header)
    if (request.type === NbdCommand.disconnect) break
    if (request.type === NbdCommand.write && request.length > MAX_REQUEST_BYTES) break
    const payload = request.type === NbdCommand.write ? await reader.read(request.length) : undefined
    if (request.type === NbdCommand.write && payload === undefined) break
    const work = answer(socket, request, payload, target).finally(() => inFlight.delete(work))
    inFlight.add(work)
    if (inFlight.size >= MAX_IN_FLIGHT) await Promise.race(inFlight)
    if (socket.writableNeedDrain) await drained(socket)
  }
  await Promise.all(inFlight)
}

function parseRequest(header: Buffer): Request {
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    cookie: header.subarray(8, 16),
    offset: Number(header.readBigUInt64BE(16)),
    length: header.readUInt32BE(24),
  }
}

async function answer(
  socket: Socket,
  request: Request,
  payload: Uint8Array | undefined,
  target: NbdExport,
): Promise<void> {
  let error = check(request, target)
  let data: Uint8Array | undefined
  if (error === 0) {
    try {
      data = await perform(request, payload, target)
    } catch (cause) {
      error = errnoOf(cause)
      target.failed(`${nameOf(request.type)} of ${request.length} bytes at ${request.offset}`, cause)
    }
  }
  if (socket.destroyed) return
  const reply = Buffer.allocUnsafe(16)
  reply.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0)
  reply.writeUInt32BE(error, 4)
  request.cookie.copy(reply, 8)
  socket.cork()
  socket.write(reply)
  if (data !== undefined) socket.write(data)
  socket.uncork()
}

function check({ type, offset, length }: Request, target: NbdExport): number {
  const changes = CHANGING.has(type)
  if (changes && target.readOnly) return NbdErrno.perm
  if (!(Object.values(NbdCommand) as number[]).includes(type)) return NbdErrno.inval
  if (type === NbdCommand.resize) return target.canResize ? 0 : NbdErrno.perm
  if (type === NbdCommand.flush) return 0
  if (type === NbdCommand.read && length > MAX_REQUEST_BYTES) return NbdErrno.overflow
  if (offset + length > target.size) return type === NbdCommand.write ? NbdErrno.nospc : NbdErrno.inval
  return 0
}

async function perform(
  { type, flags, offset, length }: Request,
  payload: Uint8Array | undefined,
  target: NbdExport,
): Promise<Uint8Array | undefined> {
  const durable = (flags & CommandFlag.fua) !== 0
  switch (type) {
    case NbdCommand.read: {
      const data = Buffer.allocUnsafe(length)
      await target.read(offset, data)
      return data
    }
    case NbdCommand.write:
      if (payload !== undefined) await target.write(offset, payload, durable)
      return undefined
    case NbdCommand.flush:
      await target.flush()
      return undefined
    case NbdCommand.trim:
      await target.trim(offset, length)
      if (durable) await target.flush()
      return undefined
    case NbdCommand.writeZeroes:
      await target.writeZeroes(offset, length, durable, (flags & CommandFlag.noHole) === 0)
      return undefined
    case NbdCommand.resize:
      await target.resize(offset)
      return undefined
    default:
      return undefined
  }
}

function nameOf(type: number): string {
  return Object.entries(NbdCommand).find(([, value]) => value === type)?.[0] ?? `command ${type}`
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
