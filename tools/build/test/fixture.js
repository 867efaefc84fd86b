import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** An empty repository in a temporary folder, until it is disposed of. */
export function repository() {
  const base = mkdtempSync(join(tmpdir(), 'bis build '))
  const write = (path, text) => {
    const file = join(base, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  mkdirSync(join(base, 'tools'))
  write('package.json', '{}')
  write('packages/a/package.json', '{ "scripts": { "test": "vitest run" } }')
  return { base, write, [Symbol.dispose]: () => rmSync(base, { recursive: true }) }
}
