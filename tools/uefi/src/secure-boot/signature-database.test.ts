import { describe, expect, it } from 'vitest'
import { parseSignatureLists, SecureBootError, SignatureType, serializeSignatureLists } from './index.ts'

const owner = '77fa9abd-0359-4d32-bd60-28f4e78f784b'
const entries = [
  { type: SignatureType.sha256, owner, data: new Uint8Array(32).fill(1) },
  { type: SignatureType.sha256, owner, data: new Uint8Array(32).fill(2) },
  { type: SignatureType.x509, owner, data: new Uint8Array(700).fill(3) },
  { type: SignatureType.x509Sha256, owner, data: new Uint8Array(48).fill(4) },
]

describe('signature lists', () => {
  it('come back as they were written, one list for entries of one kind', () => {
    const bytes = serializeSignatureLists(entries)
    expect(bytes).toHaveLength(28 + 2 * 48 + 28 + 716 + 28 + 64)
    expect(parseSignatureLists(bytes)).toEqual(entries)
    expect(parseSignatureLists(new Uint8Array())).toEqual([])
  })

  it('that are cut short or have impossible sizes are refused', () => {
    const bytes = serializeSignatureLists(entries)
    for (const length of [1, 27, 28, 100, bytes.length - 1]) {
      expect(() => parseSignatureLists(bytes.subarray(0, length)), `${length} bytes`).toThrow(SecureBootError)
    }
    for (const [at, value] of [
      [16, 0],
      [16, 27],
      [20, 1],
      [24, 0],
      [24, 16],
      [24, 47],
    ] as const) {
      const wrong = bytes.slice()
      wrong[at] = value
      expect(() => parseSignatureLists(wrong), `${value} at ${at}`).toThrow(SecureBootError)
    }
  })
})
