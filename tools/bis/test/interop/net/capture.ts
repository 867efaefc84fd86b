import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

const ENHANCED_PACKET = 6
const INBOUND = 1

/**
 * Takes a capture: keeps the first bytes of it as a file, and of all of it how many frames went which way and what their
 * hash is, in order.
 */
export class CaptureRecord implements AsyncDisposable {
  readonly path: string
  readonly #most: number
  readonly #parts: Uint8Array[] = []
  #kept = 0
  readonly #ways = new Map<string, { frames: number; readonly hash: ReturnType<typeof createHash> }>()

  /** @param most bytes kept for the file */
  constructor(path: string, most: number) {
    this.path = path
    this.#most = most
  }

  /** For `VirtualSwitch.capture`, which calls it with whole blocks. */
  readonly sink = (block: Uint8Array): void => {
    if (this.#kept <= this.#most) {
      this.#parts.push(block)
      this.#kept += block.length
    }
    const view = new DataView(block.buffer, block.byteOffset, block.length)
    if (view.getUint32(0, true) !== ENHANCED_PACKET) return
    const length = view.getUint32(20, true)
    const direction = view.getUint32(28 + Math.ceil(length / 4) * 4 + 4, true)
    const way = this.#way(view.getUint32(8, true), direction === INBOUND ? 'in' : 'out')
    way.frames++
    way.hash.update(block.subarray(28, 28 + length))
  }

  /** Frames into a port (the how-manieth of the capture) or out of it, and the hash of them all. */
  seen(port: number, direction: 'in' | 'out'): { readonly frames: number; readonly hash: string } {
    const { frames, hash } = this.#way(port, direction)
    return { frames, hash: hash.copy().digest('hex') }
  }

  async write(): Promise<void> {
    const file = await open(this.path, 'w')
    await file.writev(this.#parts)
    await file.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.length = 0
  }

  #way(port: number, direction: 'in' | 'out') {
    const key = `${port} ${direction}`
    let way = this.#ways.get(key)
    if (way === undefined) {
      way = { frames: 0, hash: createHash('sha1') }
      this.#ways.set(key, way)
    }
    return way
  }
}

const CHECK = ['ip', 'tcp', 'udp', 'icmp', 'icmpv6']
const BAD = ['_ws.malformed', ...CHECK.map((name) => `${name}.checksum.status == "Bad"`)].join(' || ')

/** What tshark has to complain of in a capture, one line a frame: broken contents, wrong checksums. */
export async function complaints(path: string): Promise<string[]> {
  return tshark(path, ['-Y', BAD])
}

/** Lines of tshark about a capture, checksums verified. */
export async function tshark(path: string, args: readonly string[]): Promise<string[]> {
  const verify = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`])
  const { stdout } = await promisify(execFile)('tshark', ['-r', path, ...verify, ...args], { maxBuffer: 2 ** 28 })
  return stdout.split('\n').filter((line) => line !== '')
}
