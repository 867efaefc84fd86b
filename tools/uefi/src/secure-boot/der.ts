/** The part of ASN.1's distinguished encoding (X.690) that signatures and certificates need. */

import { SecureBootError } from './secure-boot-error.ts'

export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** [0] IMPLICIT of a primitive. */
  CONTEXT_0_PRIMITIVE: 0x80,
  CONTEXT_0: 0xa0,
  CONTEXT_1: 0xa1,
  CONTEXT_2: 0xa2,
  CONTEXT_3: 0xa3,
} as const

interface DerValue {
  readonly tag: number
  readonly body: Uint8Array
  /** Tag, length and body. */
  readonly whole: Uint8Array
}

const LONGEST_LENGTH = 4

/** Reads values one after another. Every method throws SecureBootError `malformed-signature`. */
export class DerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The next value, of this tag if one is given. */
  next(tag?: number): DerValue {
    const start = this.#at
    const found = this.#byte()
    if (tag !== undefined && found !== tag) throw malformed(`tag ${hex(found)} at ${start} in place of ${hex(tag)}`)
    if ((found & 0x1f) === 0x1f) throw malformed(`tag of several bytes at ${start}`)
    const length = this.#length()
    const body = this.#at
    if (length > this.#bytes.length - body) {
      throw malformed(`value of ${length} bytes at ${start}, ${this.#bytes.length - body} are left`)
    }
    this.#at = body + length
    return { tag: found, body: this.#bytes.subarray(body, this.#at), whole: this.#bytes.subarray(start, this.#at) }
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.#bytes[this.#at] === tag ? this.next(tag) : undefined
  }

  /** A reader of what is in the next value. */
  enter(tag: number = Tag.SEQUENCE): DerReader {
    return new DerReader(this.next(tag).body)
  }

  end(): void {
    if (!this.atEnd) throw malformed(`${this.#bytes.length - this.#at} bytes after the last value`)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw malformed(`ends at ${this.#at}`)
    this.#at++
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const count = first - 0x80
    if (count === 0 || count > LONGEST_LENGTH) throw malformed(`length ${hex(first)} at ${this.#at - 1}`)
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte()
    if (length < 0x80 || length < 256 ** (count - 1)) throw malformed(`length ${length} in ${count} bytes`)
    return length
  }
}

/** The value with this tag whose body are the parts. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 + digits.length, ...digits]
  return concat(Uint8Array.from(head), ...parts)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** An object identifier from its text, as `1.2.840`. */
export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const groups = [part % 128]
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(128 + (left % 128))
    return groups
  })
  return der(Tag.OID, Uint8Array.from(bytes))
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function malformed(what: string): SecureBootError {
  return new SecureBootError('malformed-signature', `DER: ${what}`)
}

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`
