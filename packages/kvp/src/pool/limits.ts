import { KVP_MAX_KEY_BYTES, KVP_MAX_VALUE_BYTES } from '@bis/hyperv-types/ic'
import { KvpError } from '../errors.ts'

/**
 * What a key and a value are measured against.
 * - `file`: a record of a pool file, 511 and 2047 bytes of UTF-8 and a NUL;
 * - `host`: that, and a message to the host, 512 and 2048 bytes of UTF-16, NUL included;
 * - `azure`: that, and what Azure reads of a value, 1022 bytes.
 */
export type KvpLimit = 'file' | 'host' | 'azure'

/** Bytes of a value that Azure's fabric reads; agents split longer ones. */
export const KVP_AZURE_VALUE_BYTES = 1022

const LONE_SURROGATE = /\p{Surrogate}/u
const encoder = new TextEncoder()

/** The key's UTF-8 bytes. @throws KvpError `bad-key`, `too-long` */
export function encodeKey(key: string, limit: KvpLimit): Uint8Array {
  if (key === '') throw new KvpError('bad-key', 'a key must not be empty')
  return encodeText('key', key, KVP_MAX_KEY_BYTES, limit)
}

/** The value's UTF-8 bytes. @throws KvpError `bad-value`, `too-long` */
export function encodeValue(value: string, limit: KvpLimit): Uint8Array {
  const bytes = encodeText('value', value, KVP_MAX_VALUE_BYTES, limit)
  if (limit === 'azure' && bytes.length > KVP_AZURE_VALUE_BYTES) {
    throw new KvpError('too-long', `value of ${bytes.length} bytes: Azure reads ${KVP_AZURE_VALUE_BYTES}; split it`)
  }
  return bytes
}

function encodeText(what: 'key' | 'value', text: string, fieldBytes: number, limit: KvpLimit): Uint8Array {
  const code = `bad-${what}` as const
  if (text.includes('\0')) throw new KvpError(code, `a ${what} must not contain a NUL`)
  if (LONE_SURROGATE.test(text)) throw new KvpError(code, `a ${what} must not contain half a surrogate pair`)
  const bytes = encoder.encode(text)
  if (bytes.length > fieldBytes - 1) {
    throw new KvpError('too-long', `${what} of ${bytes.length} bytes of UTF-8: a record takes ${fieldBytes - 1}`)
  }
  const wire = (text.length + 1) * 2
  if (limit !== 'file' && wire > fieldBytes) {
    throw new KvpError('too-long', `${what} of ${wire} bytes of UTF-16, NUL included: a message takes ${fieldBytes}`)
  }
  return bytes
}
