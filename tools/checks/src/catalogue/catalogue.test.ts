import { describe, expect, it } from 'vitest'
import type { Catalogue } from './catalogue.ts'
import { loadCatalogue } from './catalogue.ts'
import { catalogueProblems } from './check.ts'
import { describe as describeEntries } from './command.ts'
import { parseEntries, parsePairs } from './parse.ts'
import type { NamedTest } from './tests.ts'
import { addNamedTests } from './tests.ts'

const TEXT = '# note\n[AA] First area\nAA-01 ★ one\nAA-02 ☆ two\n\n[BB] Second area\nBB-01 three\n'

/** Written in pieces: a whole id in a title of this file would count as a test. */
const id = (name: string) => `[${name}]`

function catalogue(change: Partial<Catalogue> = {}): Catalogue {
  return { ...parseEntries(TEXT), reasons: new Map(), done: new Map(), tests: new Map(), ...change }
}

describe('parseEntries', () => {
  it('reads areas, marks and texts', () => {
    const { areas, entries } = parseEntries(TEXT)
    expect([...areas]).toEqual([
      ['AA', 'First area'],
      ['BB', 'Second area'],
    ])
    expect(entries.map(({ id, mark, text }) => `${id}${mark}${text}`)).toEqual(['AA-01★one', 'AA-02☆two', 'BB-01three'])
  })

  it('refuses a line that is no entry, or one outside of its area', () => {
    expect(() => parseEntries('[AA] x\nwrong')).toThrow(/wrong/)
    expect(() => parseEntries('AA-01 early')).toThrow(/AA-01/)
  })
})

describe('addNamedTests', () => {
  const find = (source: string) => {
    const tests = new Map<string, NamedTest[]>()
    addNamedTests(tests, source, 'a.test.ts')
    return tests
  }

  it('finds each id at the start of a title', () => {
    const tests = find(`\nit('${id('AA-01')} ${id('AA-02')} does it', () => {})`)
    expect([...tests.keys()]).toEqual(['AA-01', 'AA-02'])
    expect(tests.get('AA-01')).toEqual([{ place: 'a.test.ts:2', title: 'does it' }])
  })

  it('ignores comments and other strings', () => {
    expect(find(`// see ${id('AA-01')}\nconst x = 'as ${id('AA-01')} says'`).size).toBe(0)
  })
})

describe('catalogueProblems', () => {
  it('wants the entries of done areas covered, down to the given mark', () => {
    expect(catalogueProblems(catalogue())).toEqual([])
    expect(catalogueProblems(catalogue({ done: parsePairs('AA ★') }))).toHaveLength(1)
    expect(catalogueProblems(catalogue({ done: parsePairs('AA ☆') }))).toHaveLength(2)
    expect(catalogueProblems(catalogue({ done: parsePairs('BB ☆') }))).toEqual([])
  })

  it('takes a test or a reason as cover', () => {
    const tests = new Map([['AA-01', [{ place: 'a.test.ts:1', title: 'x' }]]])
    expect(catalogueProblems(catalogue({ tests, reasons: parsePairs('AA-02 no'), done: parsePairs('AA ☆') }))).toEqual(
      [],
    )
  })

  it('names ids and areas that do not exist', () => {
    const tests = new Map([['ZZ-01', [{ place: 'a.test.ts:1', title: 'x' }]]])
    const change = { tests, reasons: parsePairs('ZZ-02 no'), done: parsePairs('ZZ ★\nBB x') }
    expect(catalogueProblems(catalogue(change))).toHaveLength(4)
  })
})

describe('the command', () => {
  it('prints tests, reasons and what is open, with sums', () => {
    const tests = new Map([['AA-01', [{ place: 'a.test.ts:1', title: 'does it' }]]])
    const whole = catalogue({ tests, reasons: parsePairs('AA-02 cannot happen') })
    expect(describeEntries(whole.entries, whole)).toEqual([
      '',
      'AA  First area',
      'AA-01 ★ one',
      '        a.test.ts:1  does it',
      'AA-02 ☆ two',
      '        not tested: cannot happen',
      '',
      'BB  Second area',
      'BB-01   three',
      '        open',
      '',
      '3 entries: 1 with tests, 1 with a reason, 1 open',
    ])
  })
})

it('reads the data files', () => {
  const { areas, entries } = loadCatalogue()
  expect(areas.size).toBe(26)
  expect(entries).toHaveLength(299)
  expect(new Set(entries.map((entry) => entry.id)).size).toBe(299)
})
