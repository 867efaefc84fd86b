import { readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { MountFacts } from './select-mounts.ts'

/** What Linux tells about block devices. @param sys where sysfs is; for tests */
export function linuxMountFacts(sys = '/sys'): MountFacts {
  const elsewhere = (device: string): string | undefined => {
    const name = basename(device)
    if (/^loop\d/.test(name)) return 'it is in a file of another one'
    const folder = join(sys, 'class/block', name)
    const path = attempt(() => realpathSync(folder)) ?? ''
    if (/\/session\d+\//.test(path)) return 'it is on a disk of iSCSI'
    for (const below of attempt(() => readdirSync(join(folder, 'slaves'))) ?? []) {
      const why = elsewhere(below)
      if (why !== undefined) return why
    }
    return undefined
  }
  return {
    device: (source) => attempt(() => realpathSync(source)) ?? source,
    elsewhere,
    isFolder: (point) => attempt(() => statSync(point).isDirectory()) ?? false,
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
