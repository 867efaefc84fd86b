import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A folder for one test file's images, removed after its tests. */
export function testFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'vhdx-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return (name) => join(folder, name)
}
