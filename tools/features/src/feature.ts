import type { HostReleaseName } from '@bis/host'
import type { ReleaseName, ReleaseProfile } from '@bis/hyperv-is'

/** Where a probe runs. */
export interface ProbeCell {
  /** The guest's FreeBSD. */
  readonly profile: ReleaseProfile
  readonly host: HostReleaseName
}

/** What a probe did, and what it saw on the other side. */
export interface Evidence {
  readonly did: string
  readonly saw: string
}

/** Powers on a machine and makes the real thing happen. @throws when it does not */
export type Probe = (cell: ProbeCell) => Promise<Evidence>

/** The headings of the slides, and what they show beside their tables. */
export const GROUPS = ['Core', 'Networking', 'Storage', 'Memory', 'Video', 'Miscellaneous', 'Distribution'] as const
export type Group = (typeof GROUPS)[number]

export interface Feature {
  readonly id: string
  readonly group: Group
  /** As on the slides, where it is there. */
  readonly title: string
  /** First Hyper-V release that offers it. */
  readonly hostFrom: HostReleaseName
  /** Absent while its package is not there. */
  readonly probe?: Probe
  /** On an older host: proves that the guest copes. Default: a machine with a disk and a NIC works. */
  readonly absent?: Probe
}

export type CellState = 'works' | 'not offered' | 'not built yet' | 'fails'

/** One feature on one release of the guest and one of the host. */
export interface Cell {
  readonly feature: string
  readonly release: ReleaseName
  readonly host: HostReleaseName
  readonly state: CellState
  readonly did?: string
  readonly saw?: string
  /** Why it fails. */
  readonly reason?: string
  readonly milliseconds: number
}

/** What a probe saw is not what it should be. */
export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure'
}

/** @throws ProbeFailure */
export function want(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new ProbeFailure(otherwise)
}

/** @throws ProbeFailure when it does not come about in time */
export async function until(holds: () => boolean, what: string | (() => string), milliseconds = 5000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() >= end)
      throw new ProbeFailure(`${typeof what === 'string' ? what : what()}: not in ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
