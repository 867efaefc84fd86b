/**
 * A record of a pool file: key, then value, each padded with NULs; no header, nothing between records.
 * Source: struct kvp_record of the Linux and FreeBSD daemons.
 */
import { KVP_MAX_KEY_BYTES, KVP_MAX_VALUE_BYTES } from '@bis/hyperv-types/ic'

export const KVP_RECORD_BYTES = KVP_MAX_KEY_BYTES + KVP_MAX_VALUE_BYTES

const lossy = new TextDecoder('utf-8', { ignoreBOM: true })
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One key with its value, as a pool holds it. */
export class KvpEntry {
  /** All 2560 bytes: what stands behind a NUL is left over from an earlier, longer value. */
  readonly record: Uint8Array

  constructor(record: Uint8Array) {
    this.record = record
  }

  /** A record with this key and value, which must fit. */
  static of(key: Uint8Array, value: Uint8Array): KvpEntry {
    const record = new Uint8Array(KVP_RECORD_BYTES)
    record.set(key)
    record.set(value, KVP_MAX_KEY_BYTES)
    return new KvpEntry(record)
  }

  get keyBytes(): Uint8Array {
    return untilNul(this.record, 0, KVP_MAX_KEY_BYTES)
  }

  get valueBytes(): Uint8Array {
    return untilNul(this.record, KVP_MAX_KEY_BYTES, KVP_RECORD_BYTES)
  }

  /** The key as text; bytes that are no UTF-8 become U+FFFD. */
  get key(): string {
    return lossy.decode(this.keyBytes)
  }

  /** The value as text; bytes that are no UTF-8 become U+FFFD. */
  get value(): string {
    return lossy.decode(this.valueBytes)
  }

  /** Whether key and value are UTF-8, so that `key` and `value` lose nothing. */
  get isText(): boolean {
    try {
      strict.decode(this.keyBytes)
      strict.decode(this.valueBytes)
      return true
    } catch {
      return false
    }
  }
}

function untilNul(record: Uint8Array, start: number, end: number): Uint8Array {
  const nul = record.indexOf(0, start)
  return record.subarray(start, nul === -1 || nul > end ? end : nul)
}

/** Bytes as a string of one character each: a key for maps that keeps every byte. */
export function byteString(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
