import { fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createIdentity,
  minimalLoader,
  parsePeImage,
  parseSignatureLists,
  SecureBootError,
  SignatureType,
  serializeSignatureLists,
  signLoader,
  verifyLoader,
} from '../../src/secure-boot/index.ts'

const authority = createIdentity({ name: 'Authority', authority: true })
const signer = createIdentity({ name: 'Signer', authority: false, issuer: authority })
const image = signLoader(minimalLoader(), signer, [authority.certificate])
const owner = '77fa9abd-0359-4d32-bd60-28f4e78f784b'
const entries = [{ type: SignatureType.x509, owner, data: authority.certificate }]
const db = { entries }
const list = serializeSignatureLists(entries)
const { tableStart } = parsePeImage(image)

const edits = (from: number, to: number) =>
  fc.array(fc.tuple(fc.integer({ min: from, max: to - 1 }), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  })

function edited(bytes: Uint8Array, changes: readonly (readonly [number, number])[], length: number): Uint8Array {
  const copy = bytes.slice()
  for (const [at, value] of changes) copy[at] = value
  return copy.subarray(0, length)
}

describe('hostile bytes', () => {
  it(
    'in headers and signatures get a verdict, never an exception',
    () => {
      const changes = fc.oneof(edits(0, 512), edits(tableStart, image.length))
      const length = fc.oneof(fc.constant(image.length), fc.integer({ min: 0, max: image.length }))
      fc.assert(
        fc.property(changes, length, (some, end) => {
          expect(typeof verifyLoader(edited(image, some, end), { db }).accepted).toBe('boolean')
        }),
        { numRuns: fuzzRuns(1500), seed: fuzzSeed },
      )
    },
    fuzzTimeout(20_000),
  )

  it(
    'anywhere else in a loader make it refused',
    () => {
      fc.assert(
        fc.property(fc.integer({ min: 512, max: tableStart - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
          expect(verifyLoader(edited(image, [[at, (image[at] ?? 0) ^ by]], image.length), { db }).accepted).toBe(false)
        }),
        { numRuns: fuzzRuns(200), seed: fuzzSeed },
      )
    },
    fuzzTimeout(20_000),
  )

  it(
    'in signature lists parse or are refused with a typed error',
    () => {
      fc.assert(
        fc.property(edits(0, 64), fc.integer({ min: 0, max: list.length }), (some, end) => {
          try {
            parseSignatureLists(edited(list, some, end))
          } catch (error) {
            expect(error).toBeInstanceOf(SecureBootError)
          }
        }),
        { numRuns: fuzzRuns(500), seed: fuzzSeed },
      )
    },
    fuzzTimeout(20_000),
  )
})
