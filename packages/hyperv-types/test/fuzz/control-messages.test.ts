import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  CONTROL_MESSAGES,
  decodeGpaRanges,
  MAX_CONTROL_MESSAGE_BYTES,
  parseControlMessage,
} from '../../src/vmbus/index.ts'

const anyBytes = fc.uint8Array({ maxLength: 300 })
const typed = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.uint8Array({ minLength: 4, maxLength: MAX_CONTROL_MESSAGE_BYTES }))
  .map(([type, bytes]) => {
    new DataView(bytes.buffer).setUint32(0, type, true)
    return bytes
  })

it(
  'any bytes parse to a message, or to what is wrong with them',
  () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes, typed), fc.integer({ min: -1, max: 400 }), (bytes, length) => {
        const parsed = parseControlMessage(bytes, length)
        expect(parsed.length).toBeLessThanOrEqual(bytes.length)
        if (parsed.kind === 'message')
          expect(parsed.length).toBeGreaterThanOrEqual(CONTROL_MESSAGES[parsed.name].minLength)
        if (parsed.kind === 'short') expect(parsed.needed).toBeGreaterThan(parsed.length)
      }),
      { numRuns: fuzzRuns(5000), seed: fuzzSeed },
    )
    fuzzCases('control messages parsed', fuzzRuns(5000))
  },
  fuzzTimeout(20_000),
)

it(
  'any range list gives ranges inside its bytes, or a wire error',
  () => {
    const lists = fc.tuple(
      fc.integer({ min: 0, max: 0x9000 }),
      fc.integer({ min: 0, max: 0x1001 }),
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 0, max: 4 }),
    )
    fc.assert(
      fc.property(lists, ([count, offset, pfns, ranges]) => {
        const head = new Uint8Array(Uint32Array.of(count, offset).buffer)
        const bytes = Uint8Array.of(...head, ...pfns)
        try {
          const decoded = decodeGpaRanges(bytes, ranges)
          expect(decoded.length).toBe(ranges)
          expect(decoded.reduce((sum, { pfns }) => sum + 8 + pfns.length * 8, 0)).toBeLessThanOrEqual(bytes.length)
        } catch (error) {
          expect(error).toMatchObject({ name: 'WireError' })
        }
      }),
      { numRuns: fuzzRuns(5000), seed: fuzzSeed },
    )
    fuzzCases('range lists', fuzzRuns(5000))
  },
  fuzzTimeout(20_000),
)
