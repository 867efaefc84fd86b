import type { HostReleaseName } from '@bis/host'
import type { ReleaseName } from '@bis/hyperv-is'
import { RELEASE_PROFILES } from '@bis/hyperv-is'
import type { Cell, Feature } from './feature.ts'
import { GROUPS } from './feature.ts'
import { FEATURES } from './features.ts'

/** A column of the slides. */
interface Column {
  readonly title: string
  readonly releases: readonly ReleaseName[]
}

const COLUMNS: readonly Column[] = [
  { title: '10.x & Head', releases: ['10.1', 'head'] },
  { title: '10', releases: ['10.0'] },
  { title: '9.1~9.3', releases: ['9.1', '9.2', '9.3'] },
  { title: '8.4', releases: ['8.4'] },
]

/** The slides' columns, as far as they were run; what was not run whole stands under the names of its releases. */
function columnsOf(cells: readonly Cell[]): readonly Column[] {
  const ran = new Set(cells.map(({ release }) => release))
  return COLUMNS.flatMap(({ title, releases }) => {
    const here = releases.filter((release) => ran.has(release))
    if (here.length === releases.length) return [{ title, releases }]
    return here.map((release) => ({ title: release, releases: [release] }))
  })
}

/** How a feature stands on a release: on every host that was asked. */
function stateOf(cells: readonly Cell[], feature: string, release: ReleaseName): string {
  const here = cells.filter((cell) => cell.feature === feature && cell.release === release)
  if (here.length === 0) return ''
  if (here.some(({ state }) => state === 'fails')) return 'FAILS'
  if (here.some(({ state }) => state === 'works')) return '✓'
  return here.every(({ state }) => state === 'not offered') ? 'not offered' : 'not built yet'
}

/** One state where the releases of a column agree; else each release's own. */
function cellOf(cells: readonly Cell[], feature: string, { releases }: Column): string {
  const states = new Map(releases.map((release) => [release, stateOf(cells, feature, release)]))
  const [first = '', ...others] = new Set(states.values())
  if (others.length === 0) return first
  return [...states].map(([release, state]) => `${release}: ${state}`).join(', ')
}

/** Whether a release has the drivers itself, or gets them from the ports. */
function availability({ releases }: Column): string {
  const own = releases.every((release) => RELEASE_PROFILES[release].builtIn.value.includes('hv_vmbus'))
  const port = releases.some((release) => RELEASE_PROFILES[release].port.value?.kind === 'kvp-only')
  return own ? `Built in${port ? ' (KVP: ports)' : ''}` : 'Ports'
}

/** `2012r2` as the slides have it. */
function hostName(host: HostReleaseName): string {
  return `${host.replace('r2', ' R2')}+`
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
export function summary(cells: readonly Cell[], features: readonly Feature[] = FEATURES): string {
  const counts = countCells(cells)
  const rows = features.filter(({ probe }) => probe !== undefined).length
  const parts = Object.entries(counts).map(([state, count]) => `${count} ${state}`)
  return `${rows} of ${features.length} rows have a probe; of ${cells.length} cells ${parts.join(', ')}`
}

interface Row {
  readonly heading: boolean
  readonly texts: readonly string[]
}

/** The slides' rows under their headings; a heading without rows is left out. */
function rowsOf(cells: readonly Cell[], features: readonly Feature[]): readonly Row[] {
  const columns = columnsOf(cells)
  const top = ['Feature', 'Hyper-V', ...columns.map(({ title }) => title)]
  const rows: Row[] = [
    { heading: true, texts: top },
    { heading: false, texts: ['Availability', '', ...columns.map(availability)] },
  ]
  for (const group of GROUPS) {
    const members = features.filter((feature) => feature.group === group)
    if (members.length > 0) rows.push({ heading: true, texts: [group] })
    for (const { id, title, hostFrom } of members) {
      const states = columns.map((column) => cellOf(cells, id, column))
      rows.push({ heading: false, texts: [title, hostName(hostFrom), ...states] })
    }
  }
  return rows
}

/** The slides' tables: a row for each feature under their headings, a column for their releases of the guest. */
export function textTable(cells: readonly Cell[], features: readonly Feature[] = FEATURES): string {
  const rows = rowsOf(cells, features)
  const [{ texts: top } = { texts: [] }] = rows
  const widths = top.map((_, column) => Math.max(...rows.map(({ texts }) => texts[column]?.length ?? 0)) + 2)
  const lines = rows.map(({ heading, texts }, index) => {
    const indented = heading ? texts : texts.map((text, column) => (column === 0 ? `  ${text}` : text))
    const line = indented.map((text, column) => text.padEnd((widths[column] ?? 0) + (column === 0 ? 2 : 0))).join('')
    return `${heading && index > 0 ? '\n' : ''}${line.trimEnd()}`
  })
  return lines.join('\n')
}

/** The same for a README. */
export function markdownTable(cells: readonly Cell[], features: readonly Feature[] = FEATURES): string {
  const [top, ...rows] = rowsOf(cells, features)
  const titles = top?.texts ?? []
  const line = (texts: readonly string[]): string => `| ${titles.map((_, column) => texts[column] ?? '').join(' | ')} |`
  const body = rows.map(({ heading, texts }) => line(heading ? texts.map((text) => `**${text}**`) : texts))
  return [line(titles), `|${' --- |'.repeat(titles.length)}`, ...body].join('\n').replace(/ {2,}/g, ' ')
}
