/**
 * Values that are longer than a record, split over several.
 * - `indexed`: records `KEY|0`, `KEY|1`, …, as cloud-init names the parts of a long event;
 * - `repeated`: records that all have the key, in order, as Azure's agents write a long message.
 */
import { crc32 } from '@bis/hyperv-types/struct'
import { KvpError } from '../errors.ts'
import type { KvpEntry } from './entry.ts'
import { KVP_AZURE_VALUE_BYTES } from './limits.ts'
import type { KvpEdit, KvpPool } from './pool.ts'

export type SplitStyle = 'indexed' | 'repeated'

export interface LongValueOptions {
  readonly style: SplitStyle
  /** Bytes of UTF-8 in one record. Default 1022, which is what Azure reads. */
  readonly partBytes?: number
  /** With `indexed`, adds a record `KEY|sum` of the parts' number and CRC-32, so that a lost last part is noticed. */
  readonly checksum?: boolean
}

const encoder = new TextEncoder()

/** Cuts text into parts of at most so many bytes of UTF-8, never inside a character. At least one part. */
export function splitText(text: string, partBytes: number): string[] {
  if (!(partBytes >= 4)) throw new RangeError(`parts of ${partBytes} bytes: 4 is the least that takes every character`)
  const parts: string[] = []
  let part = ''
  let size = 0
  for (const character of text) {
    const bytes = encoder.encode(character).length
    if (size + bytes > partBytes) {
      parts.push(part)
      part = ''
      size = 0
    }
    part += character
    size += bytes
  }
  return part !== '' || parts.length === 0 ? [...parts, part] : parts
}

/**
 * Sets a value of any length, in place of what the key held, in one change. A value that fits is one plain record.
 * @throws KvpError as {@link KvpPool.set}
 */
export async function setLong(pool: KvpPool, key: string, value: string, options: LongValueOptions): Promise<void> {
  const parts = splitText(value, options.partBytes ?? KVP_AZURE_VALUE_BYTES)
  const old = (await entriesOf(pool)).map((entry) => entry.key).filter((name) => isPartOf(key, name))
  const edits: KvpEdit[] = [...new Set(old)].map((name) => ({ delete: name }))
  const only = parts.length === 1
  for (const [index, part] of parts.entries()) {
    edits.push({ append: options.style === 'indexed' && !only ? `${key}|${index}` : key, value: part })
  }
  if (options.checksum === true && options.style === 'indexed' && !only) {
    edits.push({ append: `${key}|sum`, value: checksumOf(parts) })
  }
  await pool.change(edits)
}

/**
 * The whole value of a key that was split, either way.
 * @throws KvpError `bad-value` when a part is missing, or the checksum is another
 */
export async function getLong(pool: KvpPool, key: string): Promise<string | undefined> {
  const entries = await pool.list()
  const repeated = entries.filter((entry) => entry.key === key)
  if (repeated.length > 0) return repeated.map(({ value }) => value).join('')
  const named = new Map(entries.filter((entry) => isPartOf(key, entry.key)).map((entry) => [entry.key, entry.value]))
  if (named.size === 0) return undefined
  const sum = named.get(`${key}|sum`)
  const count = named.size - (sum === undefined ? 0 : 1)
  const parts = Array.from({ length: count }, (_, index) => {
    const part = named.get(`${key}|${index}`)
    if (part === undefined) throw new KvpError('bad-value', `part ${index} of ${JSON.stringify(key)} is missing`)
    return part
  })
  if (sum !== undefined && sum !== checksumOf(parts)) {
    throw new KvpError('bad-value', `the parts of ${JSON.stringify(key)} do not have the checksum ${sum}`)
  }
  return parts.join('')
}

/** Removes a key and all its parts. @returns whether there was any */
export async function deleteLong(pool: KvpPool, key: string): Promise<boolean> {
  const names = (await pool.list()).map((entry) => entry.key).filter((name) => isPartOf(key, name))
  return (await pool.change([...new Set(names)].map((name) => ({ delete: name })))) > 0
}

/** A pool that is not there yet holds nothing. */
async function entriesOf(pool: KvpPool): Promise<readonly KvpEntry[]> {
  try {
    return await pool.list()
  } catch (error) {
    if (error instanceof KvpError && error.code === 'no-pool') return []
    throw error
  }
}

function isPartOf(key: string, name: string): boolean {
  return name === key || (name.startsWith(`${key}|`) && /^(\d+|sum)$/.test(name.slice(key.length + 1)))
}

function checksumOf(parts: readonly string[]): string {
  return `${parts.length}:${crc32(encoder.encode(parts.join('')))
    .toString(16)
    .padStart(8, '0')}`
}
