import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../workspace.ts'
import type { Entries, Entry } from './parse.ts'
import { parseEntries, parsePairs } from './parse.ts'
import type { NamedTest, TestsById } from './tests.ts'
import { findNamedTests } from './tests.ts'

export interface Catalogue extends Entries {
  /** Why an entry has no test, by id. */
  readonly reasons: ReadonlyMap<string, string>
  /** The lowest mark that must be covered, by area. */
  readonly done: ReadonlyMap<string, string>
  readonly tests: TestsById
}

/** What became of an entry. */
export type Cover =
  | { readonly kind: 'tests'; readonly tests: readonly NamedTest[] }
  | { readonly kind: 'reason'; readonly reason: string }
  | { readonly kind: 'open' }

/** Reads the data files and finds the tests. */
export function loadCatalogue(): Catalogue {
  const read = (name: string) => readFileSync(join(ROOT, 'tools/checks/catalogue', name), 'utf8')
  return {
    ...parseEntries(read('entries.txt')),
    reasons: parsePairs(read('reasons.txt')),
    done: parsePairs(read('done.txt')),
    tests: findNamedTests(),
  }
}

export function coverOf({ id }: Entry, { tests, reasons }: Catalogue): Cover {
  const named = tests.get(id)
  if (named !== undefined) return { kind: 'tests', tests: named }
  const reason = reasons.get(id)
  return reason === undefined ? { kind: 'open' } : { kind: 'reason', reason }
}
