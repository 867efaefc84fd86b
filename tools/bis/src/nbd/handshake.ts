import type { Socket } from 'node:net'
import type { NbdExport } from './export.ts'
import {
  FIXED_NEWSTYLE,
  INIT_MAGIC,
  Info,
  MAX_OPTION_BYTES,
  MAX_REQUEST_BYTES,
  NO_ZEROES,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  Option,
  OptionReply,
  TransmissionFlag,
} from './protocol.ts'
import type { SocketReader } from './socket-reader.ts'

/**
 * Negotiates with a client up to the transmission phase.
 * @returns false when the client left, or broke the protocol.
 */
export async function handshake(socket: Socket, reader: SocketReader, target: NbdExport): Promise<boolean> {
  const greeting = Buffer.alloc(18)
  greeting.writeBigUInt64BE(INIT_MAGIC, 0)
  greeting.writeBigUInt64BE(OPTION_MAGIC, 8)
  greeting.writeUInt16BE(FIXED_NEWSTYLE | NO_ZEROES, 16)
  socket.write(greeting)
  const clientFlags = (await reader.read(4))?.readUInt32BE(0)
  if (clientFlags === undefined || (clientFlags & ~(FIXED_NEWSTYLE | NO_ZEROES)) !== 0) return false
  for (;;) {
    const header = await reader.read(16)
    if (header === undefined || header.readBigUInt64BE(0) !== OPTION_MAGIC) return false
    const option = header.readUInt32BE(8)
    const length = header.readUInt32BE(12)
    if (length > MAX_OPTION_BYTES) return false
    const data = await reader.read(length)
    if (data === undefined) return false
    const reply = (type: number, payload: Buffer = Buffer.alloc(0)): void => {
      const head = Buffer.alloc(20)
      head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0)
      head.writeUInt32BE(option, 8)
      head.writeUInt32BE(type, 12)
      head.writeUInt32BE(payload.length, 16)
      socket.write(Buffer.concat([head, payload]))
    }
    switch (option) {
      case Option.exportName:
        if (!isOurs(data.toString(), target)) return false
        socket.write(exportNameReply(target, (clientFlags & NO_ZEROES) === 0))
        return true
      case Option.abort:
        reply(OptionReply.ack)
        return false
      case Option.list:
        if (length !== 0) reply(OptionReply.invalid)
        else {
          reply(OptionReply.server, sized(target.name))
          reply(OptionReply.ack)
        }
        break
      case Option.info:
      case Option.go: {
        const name = requestedName(data)
        if (name === undefined) reply(OptionReply.invalid)
        else if (!isOurs(name, target)) reply(OptionReply.unknownExport, Buffer.from(`the export is ${target.name}`))
        else {
          reply(OptionReply.info, exportInfo(target))
          reply(OptionReply.info, blockSizeInfo(target))
          reply(OptionReply.ack)
          if (option === Option.go) return true
        }
        break
      }
      default:
        reply(OptionReply.unsupported)
    }
  }
}

/** The empty name means the default export: there is one. */
function isOurs(name: string, target: NbdExport): boolean {
  return name === '' || name === target.name
}

/** INFO and GO: u32 name length, name, u16 count, count × u16. */
function requestedName(data: Buffer): string | undefined {
  if (data.length < 6) return undefined
  const nameLength = data.readUInt32BE(0)
  if (nameLength > data.length - 6) return undefined
  const count = data.readUInt16BE(4 + nameLength)
  if (data.length !== 6 + nameLength + 2 * count) return undefined
  return data.toString('utf8', 4, 4 + nameLength)
}

function transmissionFlags(target: NbdExport): number {
  const { hasFlags, sendFlush, sendFua, canMultiConn, readOnly, sendTrim, sendWriteZeroes, sendResize } =
    TransmissionFlag
  const base = hasFlags | sendFlush | sendFua | canMultiConn
  if (target.readOnly) return base | readOnly
  return base | sendWriteZeroes | (target.canTrim ? sendTrim : 0) | (target.canResize ? sendResize : 0)
}

function exportInfo(target: NbdExport): Buffer {
  const info = Buffer.alloc(12)
  info.writeUInt16BE(Info.export, 0)
  info.writeBigUInt64BE(BigInt(target.size), 2)
  info.writeUInt16BE(transmissionFlags(target), 10)
  return info
}

function blockSizeInfo(target: NbdExport): Buffer {
  const info = Buffer.alloc(14)
  info.writeUInt16BE(Info.blockSize, 0)
  info.writeUInt32BE(1, 2)
  info.writeUInt32BE(Math.max(4096, target.blockSize), 6)
  info.writeUInt32BE(MAX_REQUEST_BYTES, 10)
  return info
}

function exportNameReply(target: NbdExport, withZeroes: boolean): Buffer {
  const reply = Buffer.alloc(withZeroes ? 134 : 10)
  reply.writeBigUInt64BE(BigInt(target.size), 0)
  reply.writeUInt16BE(transmissionFlags(target), 8)
  return reply
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length, 0)
  return Buffer.concat([length, bytes])
}
