type Mark = '★' | '☆' | ''

/** A way to fail that others have shown, as what ours must do instead. */
export interface Entry {
  /** Area and number: RB-01 */
  readonly id: string
  readonly area: string
  readonly mark: Mark
  readonly text: string
}

export interface Entries {
  /** Title of each area, by its two letters. */
  readonly areas: ReadonlyMap<string, string>
  readonly entries: readonly Entry[]
}

/** Reads entries.txt; throws an Error that names the line when one is malformed. */
export function parseEntries(text: string): Entries {
  const areas = new Map<string, string>()
  const entries: Entry[] = []
  for (const line of contentLines(text)) {
    const area = /^\[([A-Z]{2})\] (.+)$/.exec(line)
    const entry = /^(([A-Z]{2})-\d{2}) (?:([★☆]) )?(.+)$/.exec(line)
    if (area !== null) areas.set(area[1] ?? '', area[2] ?? '')
    else if (entry === null || !areas.has(entry[2] ?? '')) throw new Error(`not a catalogue entry: ${line}`)
    else
      entries.push({ id: entry[1] ?? '', area: entry[2] ?? '', mark: (entry[3] ?? '') as Mark, text: entry[4] ?? '' })
  }
  return { areas, entries }
}

/** Reads reasons.txt or done.txt: the first word of each line, and the rest. */
export function parsePairs(text: string): Map<string, string> {
  return new Map(
    contentLines(text).map((line) => {
      const space = line.indexOf(' ')
      if (space === -1) throw new Error(`nothing follows "${line}"`)
      return [line.slice(0, space), line.slice(space + 1).trim()]
    }),
  )
}

function contentLines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
}
