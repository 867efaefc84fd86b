import type { HostReleaseName } from '@bis/host'
import { HOST_RELEASES } from '@bis/host'
import type { ReleaseName } from '@bis/hyperv-is'
import { RELEASE_PROFILES, RELEASES } from '@bis/hyperv-is'
import type { Cell, Feature, Probe } from './feature.ts'
import { ProbeFailure } from './feature.ts'
import { FEATURES } from './features.ts'
import { copes } from './probes/copes.ts'

export interface RunOptions {
  readonly features?: readonly Feature[]
  readonly releases?: readonly ReleaseName[]
  readonly hosts?: readonly HostReleaseName[]
  readonly signal?: AbortSignal
  /** Called for each cell as it is known. */
  readonly onCell?: (cell: Cell, done: number, all: number) => void
}

/** Runs every probe on every release and host asked for, one after another. A failure is a cell, not an error. */
export async function runFeatures(options: RunOptions = {}): Promise<readonly Cell[]> {
  const { features = FEATURES, releases = RELEASES, hosts = HOST_RELEASES, signal } = options
  const all = features.length * releases.length * hosts.length
  const cells: Cell[] = []
  for (const feature of features) {
    for (const release of releases) {
      for (const host of hosts) {
        signal?.throwIfAborted()
        const cell = await runCell(feature, release, host)
        cells.push(cell)
        options.onCell?.(cell, cells.length, all)
      }
    }
  }
  return cells
}

/** Far longer than a probe takes on a slow machine. */
const LIMIT_MS = 120_000

/** A probe that hangs fails, so that the others are told of. */
async function inTime<T>(probe: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ProbeFailure(`no end in ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  })
  try {
    return await Promise.race([probe, late])
  } finally {
    clearTimeout(timer)
  }
}

async function runCell(feature: Feature, release: ReleaseName, host: HostReleaseName): Promise<Cell> {
  const place = { feature: feature.id, release, host }
  if (feature.probe === undefined) return { ...place, state: 'not built yet', milliseconds: 0 }
  const offered = HOST_RELEASES.indexOf(host) >= HOST_RELEASES.indexOf(feature.hostFrom)
  const probe: Probe = offered ? feature.probe : (feature.absent ?? copes)
  const start = performance.now()
  const since = (): number => Math.round(performance.now() - start)
  try {
    const evidence = await inTime(probe({ profile: RELEASE_PROFILES[release], host }))
    return { ...place, state: offered ? 'works' : 'not offered', ...evidence, milliseconds: since() }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ...place, state: 'fails', reason, milliseconds: since() }
  }
}
