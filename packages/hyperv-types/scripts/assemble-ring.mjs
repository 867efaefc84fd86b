// Assembles src/ring/wasm/ring.wat into ring-code.ts beside it. The build runs it; a test checks that the two agree.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const path = (name) => fileURLToPath(new URL(`../src/ring/wasm/${name}`, import.meta.url))

/** @returns the module's bytes */
export async function assemble(source) {
  const wabt = await loadWabt()
  const module = wabt.parseWat('ring.wat', source, { threads: true, simd: true, bulk_memory: true })
  const { buffer } = module.toBinary({})
  module.destroy()
  if (!WebAssembly.validate(buffer)) throw new Error('ring.wat assembles to something that is no module')
  return buffer
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bytes = await assemble(readFileSync(path('ring.wat'), 'utf8'))
  const lines = []
  for (let at = 0; at < bytes.length; at += 24) lines.push(`  ${Array.from(bytes.subarray(at, at + 24)).join(', ')},`)
  const text = `// Made from ring.wat by scripts/assemble-ring.mjs; do not edit.

// biome-ignore format: bytes
export const RING_CODE: Uint8Array<ArrayBuffer> = Uint8Array.of(
${lines.join('\n')}
)
`
  writeFileSync(path('ring-code.ts'), text)
}
