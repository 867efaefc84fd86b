import type { FrameHeaders } from './headers.ts'
import { IpProtocol } from './headers.ts'

/** The key of Microsoft's verification suite, which guests use unless they are given another. 40 bytes. */
export const DEFAULT_RSS_KEY: readonly number[] = [
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
  0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
  0x01, 0xfa,
]

/** Two IPv4 addresses and two ports. */
const IPV4_FLOW = 12
/** Longest input: two IPv6 addresses and two ports. */
const MOST_INPUT = 36

/**
 * The Toeplitz hash of receive-side scaling with one key. A table of 256 results for each input byte makes a hash one
 * look-up per byte. Hashes are signed: half of the unsigned ones would be an object each. Source: Microsoft's "RSS hashing
 * functions" and its verification suite.
 */
export class Toeplitz {
  /** Signed, as script's bitwise operators work. */
  readonly #table = new Int32Array(MOST_INPUT * 256)

  /** @param key 40 bytes */
  constructor(key: ArrayLike<number> = DEFAULT_RSS_KEY) {
    if (key.length < MOST_INPUT + 4) throw new RangeError(`an RSS key of ${key.length} bytes: 40 are needed`)
    for (let position = 0; position < MOST_INPUT; position++) {
      for (let bit = 0; bit < 8; bit++) {
        const window = windowAt(key, position * 8 + bit)
        const mask = 0x80 >> bit
        for (let value = 0; value < 256; value++) {
          if ((value & mask) === 0) continue
          const index = position * 256 + value
          this.#table[index] = (this.#table[index] ?? 0) ^ window
        }
      }
    }
  }

  /** Hash, signed, of `length` bytes of input taken as they lie in `bytes`, continuing at `position` of the input. */
  add(hash: number, position: number, bytes: Uint8Array, at: number, length: number): number {
    const table = this.#table
    let result = hash | 0
    for (let i = 0; i < length; i++) result ^= table[(position + i) * 256 + (bytes[at + i] ?? 0)] ?? 0
    return result
  }

  /** Hash, signed, of addresses and, when asked for, ports. The frame must be IP, with a transport header when ports are. */
  ofFlow(bytes: Uint8Array, headers: FrameHeaders, withPorts: boolean): number {
    const { ipVersion, ipAt, transportAt } = headers
    // Without IP options all of it lies together.
    if (withPorts && ipVersion === 4 && transportAt === ipAt + 20) return this.add(0, 0, bytes, ipAt + 12, IPV4_FLOW)
    const addressBytes = ipVersion === 4 ? 8 : 32
    const hash = this.add(0, 0, bytes, ipVersion === 4 ? ipAt + 12 : ipAt + 8, addressBytes)
    return withPorts ? this.add(hash, addressBytes, bytes, transportAt, 4) : hash
  }

  /**
   * Hash, signed, of a frame's flow: addresses, and ports for TCP (and UDP when `udp` is set) unless it is a fragment.
   * @returns 0 for frames that are not IP
   */
  ofFrame(bytes: Uint8Array, headers: FrameHeaders, udp: boolean): number {
    const { ipVersion, transportAt, protocol } = headers
    if (ipVersion === 0) return 0
    const ports = transportAt >= 0 && (protocol === IpProtocol.TCP || (udp && protocol === IpProtocol.UDP))
    return this.ofFlow(bytes, headers, ports)
  }
}

function windowAt(key: ArrayLike<number>, bit: number): number {
  let window = 0
  for (let i = 0; i < 32; i++) {
    const at = bit + i
    const set = ((key[at >> 3] ?? 0) >> (7 - (at & 7))) & 1
    window = ((window << 1) | set) >>> 0
  }
  return window
}
