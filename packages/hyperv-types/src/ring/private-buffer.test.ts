import { describe, expect, it } from 'vitest'
import { createBacking } from '../memory/backing.ts'
import { scriptEngine } from './engine.ts'
import { PrivateBuffer } from './private-buffer.ts'
import { ringEngineFor } from './wasm/wasm-engine.ts'

describe('PrivateBuffer', () => {
  for (const kind of ['wasm', 'local', 'shared', 'plain'] as const) {
    it(`copies ${kind} memory in, at any alignment, and nothing beside it`, () => {
      const backing = createBacking(kind, 65_536)
      for (let i = 0; i < backing.bytes.length; i++) backing.bytes[i] = i * 31
      const engine = ringEngineFor({
        byteLength: 65_536,
        ...(backing.wasm === undefined ? {} : { wasm: backing.wasm }),
      })
      const own = new PrivateBuffer(engine, 9000)
      for (const length of [0, 1, 63, 64, 65, 1514, 4097]) {
        for (const [at, from] of [
          [0, 0],
          [3, 0],
          [8, 61_439 - length],
          [9000 - length, 5],
        ] as const) {
          own.bytes.fill(0xee)
          own.copyIn(at, backing.bytes, from, length)
          const expected = new Uint8Array(9000).fill(0xee)
          expected.set(backing.bytes.subarray(from, from + length), at)
          expect(own.bytes).toEqual(expected)
        }
      }
      expect(own.view.getUint8(8999)).toBe(own.bytes[8999])
      own.close()
    })
  }

  it('refuses what lies outside either buffer', () => {
    const backing = createBacking('wasm', 65_536)
    const wasm = backing.wasm ?? { buffer: new ArrayBuffer(0) }
    for (const engine of [scriptEngine, ringEngineFor({ byteLength: 65_536, wasm })]) {
      const own = new PrivateBuffer(engine, 100)
      for (const [at, from, length] of [
        [0, 0, 101],
        [100, 0, 1],
        [-1, 0, 1],
        [0, 65_536, 1],
        [0, -1, 1],
        [0, 0, -1],
        [0, Number.NaN, 101],
      ] as const) {
        expect(() => own.copyIn(at, backing.bytes, from, length)).toThrow(RangeError)
      }
    }
  })

  it('gives its memory back once', () => {
    const backing = createBacking('wasm', 65_536)
    const engine = ringEngineFor({ byteLength: 65_536, ...(backing.wasm === undefined ? {} : { wasm: backing.wasm }) })
    const first = new PrivateBuffer(engine, 100)
    first.close()
    const second = new PrivateBuffer(engine, 100)
    expect(second.bytes.byteOffset).toBe(first.bytes.byteOffset)
    first.close()
    expect(new PrivateBuffer(engine, 100).bytes.byteOffset).not.toBe(second.bytes.byteOffset)
  })
})
