import type { Namespace } from './namespace.ts'
import { outputOf } from './namespace.ts'

/** Bytes of the long transfer: `BIS_TRANSFER` MiB, 64 by default. */
export const TRANSFER_BYTES = Number(process.env['BIS_TRANSFER'] ?? 64) * 2 ** 20

const PORT = 5009
/** Random data once, then with its first bytes counting: every MiB is another, and cheap to make. */
const SEND = `
const { connect } = require('node:net'), { createHash, randomBytes } = require('node:crypto')
const [address, port, bytes] = process.argv.slice(1)
const hash = createHash('sha256'), unit = randomBytes(2 ** 20)
const socket = connect(port, address)
let left = bytes / unit.length
const send = () => {
  while (left-- > 0) {
    const data = Buffer.from(unit)
    data.writeUInt32LE(left, 0)
    hash.update(data)
    if (!socket.write(data)) return void socket.once('drain', send)
  }
  socket.end(() => console.log(hash.digest('hex')))
}
send()`
const RECEIVE = `
const { createServer } = require('node:net'), { createHash } = require('node:crypto')
const [address, port] = process.argv.slice(1)
const hash = createHash('sha256')
const server = createServer((socket) => {
  socket.on('data', (data) => hash.update(data))
  socket.on('end', () => { console.log(hash.digest('hex')); socket.end(); server.close() })
}).listen(port, address)
server.on('listening', () => console.error('listening'))`

/** Sends random data by TCP from one namespace to an address of another. @returns what each says is its hash */
export async function transfer(from: Namespace, to: Namespace, address: string): Promise<[string, string]> {
  const server = to.start(process.execPath, '-e', RECEIVE, address, String(PORT))
  const received = outputOf(server, ['receive'])
  await new Promise<void>((resolve, reject) => {
    server.stderr?.once('data', () => resolve())
    received.catch(reject)
  })
  const sent = await from.run(process.execPath, '-e', SEND, address, String(PORT), String(TRANSFER_BYTES))
  return [sent.trim(), (await received).trim()]
}
