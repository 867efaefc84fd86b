/**
 * A character device of the guest behind a Unix socket, for daemons in other processes. Each connection is an open file.
 * Frames: 32-bit little-endian length of what follows, one byte of kind, payload. The first frame tells whether the open
 * worked; each write is answered by a frame with its result (both an error number of Linux, 0 for none, 32 bits).
 */
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import type { CharacterDevice, CharacterFile } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

const Kind = { OPENED: 0, WRITE: 1, MESSAGE: 2, WRITTEN: 3 } as const
const MOST_FRAME_BYTES = 2 ** 20
const HEADER_BYTES = 5

/** A device that is served. */
export interface CharacterDeviceServer extends AsyncDisposable {
  readonly path: string
}

/** Serves a device on a Unix socket, which only the owner may use. @throws the system's error when it cannot listen */
export async function serveCharacterDevice(device: CharacterDevice, path: string): Promise<CharacterDeviceServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(device, socket)
  })
  const listening = new Promise<void>((resolve, reject) => server.once('error', reject).once('listening', resolve))
  const before = process.umask(0o177)
  server.listen(path) // makes the socket within this call
  process.umask(before)
  await listening
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serve(device: CharacterDevice, socket: Socket): void {
  const send = (kind: number, payload: Uint8Array): void => {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32LE(payload.length + 1, 0)
    header.writeUInt8(kind, 4)
    if (!socket.destroyed) socket.write(Buffer.concat([header, payload]))
  }
  const tell = (kind: number, error: number): void => send(kind, new Uint8Array(Int32Array.of(error).buffer))
  let file: CharacterFile
  try {
    file = device.open()
  } catch (error) {
    tell(Kind.OPENED, errorNumber(error))
    socket.end()
    return
  }
  const ended = new AbortController()
  socket.on('error', () => socket.destroy())
  socket.once('close', () => {
    ended.abort()
    file.close()
  })
  tell(Kind.OPENED, 0)
  const pass = (): void => {
    if (reading) return
    reading = true
    file.read(ended.signal).then(
      (message) => {
        reading = false
        send(Kind.MESSAGE, message)
        pass()
      },
      (error) => {
        reading = false
        // Before it is registered some devices let nobody read: the next write tries again.
        if (!(error instanceof DeviceError && error.code === 'invalid-argument')) socket.end()
      },
    )
  }
  let reading = false
  pass()
  readFrames(socket, (kind, payload) => {
    if (kind !== Kind.WRITE) return
    try {
      file.write(payload)
      tell(Kind.WRITTEN, 0)
    } catch (error) {
      tell(Kind.WRITTEN, errorNumber(error))
    }
    pass()
  })
}

function readFrames(socket: Socket, take: (kind: number, payload: Uint8Array) => void): void {
  let buffered = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= HEADER_BYTES) {
      const length = buffered.readUInt32LE(0)
      if (length < 1 || length > MOST_FRAME_BYTES) {
        socket.destroy()
        return
      }
      if (buffered.length < 4 + length) return
      take(buffered.readUInt8(4), new Uint8Array(buffered.subarray(HEADER_BYTES, 4 + length)))
      buffered = buffered.subarray(4 + length)
    }
  })
}

/** Linux's error numbers: EBUSY, EINVAL, ENODEV, EIO. */
function errorNumber(error: unknown): number {
  const code = error instanceof DeviceError ? error.code : undefined
  if (code === 'busy') return 16
  if (code === 'invalid-argument') return 22
  return code === 'removed' ? 19 : 5
}
