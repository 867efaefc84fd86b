import { VMBUS_VERSIONS } from '@bis/hyperv-types/vmbus'

/** What {@link versionsToTry} goes by: words as on the wire, major << 16 | minor; both ends are included. */
export interface VersionLimits {
  readonly max?: number | undefined
  readonly min?: number | undefined
}

/** The versions within the limits, newest first. */
export function versionsToTry({ max = Infinity, min = 0 }: VersionLimits): readonly number[] {
  return VMBUS_VERSIONS.filter((version) => version <= max && version >= min)
}

/**
 * Reads a version as a tunable holds it.
 * @param text `4.0`, or the number on the wire (`0x40000`, `262144`)
 * @returns undefined when it is neither
 */
export function parseVersion(text: string): number | undefined {
  const dotted = /^\s*(\d{1,5})\.(\d{1,5})\s*$/.exec(text)
  if (dotted !== null) return Number(dotted[1]) * 0x1_0000 + Number(dotted[2])
  if (!/^\s*(0[xX][0-9a-fA-F]{1,8}|\d{1,10})\s*$/.test(text)) return undefined
  const number = Number(text)
  return number > 0 ? number : undefined
}
