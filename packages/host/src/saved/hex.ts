import { RestoreError } from './saved-server.ts'

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** @throws RestoreError `bad-state` for text that is no hexadecimal, or longer than `limit` bytes */
export function fromHex(text: unknown, limit: number): Uint8Array {
  if (typeof text !== 'string' || !/^([0-9a-f]{2})*$/.test(text) || text.length > limit * 2) {
    throw new RestoreError('bad-state', `saved bytes are no hexadecimal text of at most ${limit} bytes`)
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, n) => Number.parseInt(text.slice(n * 2, n * 2 + 2), 16))
}
