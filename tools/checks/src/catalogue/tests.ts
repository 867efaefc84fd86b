import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { listPackages, ROOT } from '../workspace.ts'

/** A test that names an entry. */
export interface NamedTest {
  /** From the root, with the line: packages/vmbus/src/ring.test.ts:12 */
  readonly place: string
  readonly title: string
}

export type TestsById = ReadonlyMap<string, readonly NamedTest[]>

/** The tests of the whole workspace by the entries that they name. */
export function findNamedTests(): TestsById {
  const tests = new Map<string, NamedTest[]>()
  for (const { path } of listPackages()) {
    for (const file of testFiles(path)) addNamedTests(tests, readFileSync(file, 'utf8'), relative(ROOT, file))
  }
  return tests
}

/** Adds what one file of tests names; only ids at the start of a string count. */
export function addNamedTests(tests: Map<string, NamedTest[]>, source: string, file: string): void {
  source.split('\n').forEach((line, index) => {
    const title = /(['"`])((?:\[[A-Z]{2}-\d{2}\] ?)+.*?)\1/.exec(line)?.[2]
    if (title === undefined) return
    for (const [, id] of title.matchAll(/\[([A-Z]{2}-\d{2})\]/g)) {
      const found = tests.get(id as string) ?? []
      tests.set(id as string, [...found, { place: `${file}:${index + 1}`, title: title.replace(/^(\[.*?\] ?)+/, '') }])
    }
  })
}

/** Test files, and what holds cases for them: everything in folders named test or compliance. */
function testFiles(folder: string, whole = false): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist'].includes(entry.name)) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return testFiles(path, whole || ['test', 'compliance'].includes(entry.name))
    return entry.name.endsWith(whole ? '.ts' : '.test.ts') ? [path] : []
  })
}
