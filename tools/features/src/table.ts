import type { ReleaseName } from '@bis/hyperv-is'
import { RELEASES } from '@bis/hyperv-is'
import type { Cell, Feature } from './feature.ts'
import { FEATURES } from './features.ts'

/** How a row stands on a column: on every host that was asked. */
function stateOf(cells: readonly Cell[], feature: string, release: ReleaseName): string {
  const here = cells.filter((cell) => cell.feature === feature && cell.release === release)
  if (here.length === 0) return ''
  if (here.some(({ state }) => state === 'fails')) return 'FAILS'
  if (here.some(({ state }) => state === 'works')) return 'yes'
  return here.every(({ state }) => state === 'not offered') ? 'not offered' : 'not built yet'
}

function releasesOf(cells: readonly Cell[]): readonly ReleaseName[] {
  return RELEASES.filter((release) => cells.some((cell) => cell.release === release))
}

/** What each state occurs how often. */
export function countCells(cells: readonly Cell[]): Readonly<Record<Cell['state'], number>> {
  const count = (state: Cell['state']): number => cells.filter((cell) => cell.state === state).length
  return {
    works: count('works'),
    'not offered': count('not offered'),
    'not built yet': count('not built yet'),
    fails: count('fails'),
  }
}

/** One line: how many cells stand how. */
export function summary(cells: readonly Cell[]): string {
  const counts = countCells(cells)
  const rows = (FEATURES as readonly Feature[]).filter(({ probe }) => probe !== undefined).length
  const parts = Object.entries(counts).map(([state, count]) => `${count} ${state}`)
  return `${rows} of ${FEATURES.length} rows have a probe; of ${cells.length} cells ${parts.join(', ')}`
}

/** The slides' table: a row for each feature, a column for each release of the guest. */
export function textTable(cells: readonly Cell[], features: readonly Feature[] = FEATURES): string {
  const releases = releasesOf(cells)
  const rows = [
    ['Feature', 'Host from', ...releases],
    ...features.map(({ id, title, hostFrom }) => [
      title,
      hostFrom,
      ...releases.map((release) => stateOf(cells, id, release)),
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}

/** The same for a README. */
export function markdownTable(cells: readonly Cell[]): string {
  const releases = releasesOf(cells)
  return [
    `| feature | host from | ${releases.join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(releases.length)}`,
    ...FEATURES.map(({ id, title, hostFrom }) => {
      const states = releases.map((release) => stateOf(cells, id, release))
      return `| ${title} | ${hostFrom} | ${states.join(' | ')} |`
    }),
  ].join('\n')
}
