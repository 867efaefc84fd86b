import { parseArgs } from 'node:util'
import type { Catalogue } from './catalogue.ts'
import { coverOf, loadCatalogue } from './catalogue.ts'
import type { Entry } from './parse.ts'

const USAGE = `usage: npm run -s checks -- catalogue --all | [--area XX]… [--mark star|second|none]… [--open]

Prints entries of the failure catalogue, each with the tests that name it, the reason why it has none, or "open".`

const MARKS: Readonly<Record<string, string>> = { star: '★', second: '☆', none: '' }

/**
 * Prints the part of the catalogue that the arguments name, and how much of it is covered.
 * @returns the exit status
 */
export function catalogueCommand(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      all: { type: 'boolean' },
      area: { type: 'string', multiple: true },
      mark: { type: 'string', multiple: true },
      open: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const catalogue = loadCatalogue()
  const marks = values.mark?.map((mark) => MARKS[mark] ?? mark)
  const entries = catalogue.entries
    .filter((entry) => values.area?.includes(entry.area) ?? true)
    .filter((entry) => marks?.includes(entry.mark) ?? true)
    .filter((entry) => !values.open || coverOf(entry, catalogue).kind === 'open')
  for (const line of describe(entries, catalogue)) console.log(line)
  return 0
}

/** The lines for some entries, under their areas' titles, and a line with the sums. */
export function describe(entries: readonly Entry[], catalogue: Catalogue): string[] {
  const lines: string[] = []
  const sums = { tests: 0, reason: 0, open: 0 }
  let area = ''
  for (const entry of entries) {
    if (entry.area !== area) lines.push('', `${entry.area}  ${catalogue.areas.get(entry.area)}`)
    area = entry.area
    lines.push(`${entry.id} ${entry.mark || ' '} ${entry.text}`)
    const cover = coverOf(entry, catalogue)
    sums[cover.kind]++
    if (cover.kind === 'tests') for (const { place, title } of cover.tests) lines.push(`        ${place}  ${title}`)
    else lines.push(`        ${cover.kind === 'reason' ? `not tested: ${cover.reason}` : 'open'}`)
  }
  const { tests, reason, open } = sums
  lines.push('', `${entries.length} entries: ${tests} with tests, ${reason} with a reason, ${open} open`)
  return lines
}
