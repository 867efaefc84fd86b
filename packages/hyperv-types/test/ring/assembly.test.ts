import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
// @ts-expect-error plain script
import { assemble } from '../../scripts/assemble-ring.mjs'
import { RING_CODE } from '../../src/ring/wasm/ring-code.ts'

it('the module in the tree is what ring.wat assembles to', async () => {
  const source = readFileSync(new URL('../../src/ring/wasm/ring.wat', import.meta.url), 'utf8')
  expect(Buffer.from(RING_CODE).equals(Buffer.from(await assemble(source)))).toBe(true)
})
