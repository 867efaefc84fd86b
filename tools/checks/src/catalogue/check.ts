import type { Catalogue } from './catalogue.ts'
import { coverOf, loadCatalogue } from './catalogue.ts'

/** Every entry of an area that is done has a test or a reason, and no file names an entry or area that does not exist. */
export async function checkCatalogue(): Promise<string[]> {
  return catalogueProblems(loadCatalogue())
}

export function catalogueProblems(catalogue: Catalogue): string[] {
  const { areas, entries, reasons, done, tests } = catalogue
  const ids = new Set(entries.map(({ id }) => id))
  const open = entries.filter((entry) => {
    const required = done.get(entry.area)
    const counts = entry.mark === '★' || (entry.mark === '☆' && required === '☆')
    return required !== undefined && counts && coverOf(entry, catalogue).kind === 'open'
  })
  return [
    ...open.map(({ id, mark, text }) => `${id} ${mark} has neither test nor reason: ${text}`),
    ...[...tests].filter(([id]) => !ids.has(id)).map(([id, [test]]) => `${test?.place}: there is no entry ${id}`),
    ...[...reasons.keys()].filter((id) => !ids.has(id)).map((id) => `reasons.txt: there is no entry ${id}`),
    ...[...done.keys()].filter((area) => !areas.has(area)).map((area) => `done.txt: there is no area ${area}`),
    ...[...done].filter(([, mark]) => !'★☆'.includes(mark)).map(([area]) => `done.txt: ${area} needs ★ or ☆`),
  ]
}
