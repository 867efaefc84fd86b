import { Corpus } from '@bis/build/corpus'
import { fuzzCases, fuzzRuns, fuzzSeed, fuzzTimeout } from '@bis/build/fuzz'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeMemory,
  encodeError,
  encodeHello,
  encodeMemory,
  FrameReader,
  FrameType,
} from '../../src/vmbus-user/index.ts'

const RUNS = fuzzRuns(5000)
const corpus = new Corpus<string>(new URL('corpus/vmbus-user.jsonl', import.meta.url))
const kept = corpus.inputs.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))

/** Frames that a peer sent by the rules, or a stream of the corpus, with some bytes changed. */
const stream = fc
  .record({
    frames: fc.array(
      fc.constantFrom(
        ...kept,
        encodeHello(2),
        encodeError(2, 'text'),
        encodeMemory([{ gpa: 0, byteLength: 4096, path: '/dev/shm/x', fileOffset: 0 }]),
        encodeMemory([
          { gpa: 0, byteLength: 4096, path: '/a', fileOffset: 0 },
          { gpa: 8192, byteLength: 4096, path: '/ü', fileOffset: 4096 },
        ]),
      ),
      { maxLength: 5 },
    ),
    changes: fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 4 }),
    tail: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ frames, changes, tail }) => {
    const bytes = Uint8Array.from([...frames.flatMap((frame) => [...frame]), ...tail])
    for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
    return bytes
  })

function featureOf(text: string): string {
  return text.replaceAll(/0x[0-9a-f]+|[0-9]{2,}|"[^"]*"/g, '#')
}

function read(chunks: readonly Uint8Array[]): string[] {
  const reader = new FrameReader()
  const seen: string[] = []
  try {
    for (const chunk of chunks) {
      reader.push(chunk)
      reader.drain((frame) => {
        const regions = frame.type === FrameType.MEMORY ? JSON.stringify(decodeMemory(frame)) : ''
        seen.push(`${frame.type} ${frame.length} ${regions}`)
        return true
      })
    }
  } catch (error) {
    if (!(error instanceof Error && error.name === 'WireError')) throw error
    seen.push(error.message)
  }
  return seen
}

describe('vmbus-user frames', () => {
  it(
    'are read the same however they are cut, and break with nothing but a WireError',
    () => {
      fc.assert(
        fc.property(stream, fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }), (bytes, cuts) => {
          const chunks: Uint8Array[] = []
          let at = 0
          for (let i = 0; at < bytes.length; i++) {
            const size = 1 + (cuts[i % cuts.length] ?? 0)
            chunks.push(bytes.subarray(at, at + size))
            at += size
          }
          const seen = read([bytes])
          expect(read(chunks)).toEqual(seen)
          corpus.note(Buffer.from(bytes).toString('hex'), seen.map(featureOf))
        }),
        {
          numRuns: RUNS,
          seed: fuzzSeed,
          examples: kept.map((bytes): [Uint8Array, number[]] => [bytes, [3]]),
        },
      )
      fuzzCases(`streams of vmbus-user frames; ${corpus.size} kinds of outcome`, RUNS)
    },
    fuzzTimeout(20_000),
  )
})
