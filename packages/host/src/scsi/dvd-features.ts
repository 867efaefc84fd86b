/** Features of a DVD-ROM drive, for GET CONFIGURATION. Source: MMC-6 5. */

const PROFILE_DVD_ROM = 0x0010
const PROFILE_CD_ROM = 0x0008
const CURRENT = 1
const PERSISTENT = 2

interface Feature {
  readonly code: number
  readonly flags: number
  /** Current only while a medium is in. */
  readonly needsMedium: boolean
  readonly data: readonly number[]
}

const FEATURES: readonly Feature[] = [
  // Profile list: DVD-ROM and CD-ROM; which one is current is filled in.
  feature(0x0000, PERSISTENT, false, [0, PROFILE_DVD_ROM, 0, 0, 0, PROFILE_CD_ROM, 0, 0]),
  // Core: SCSI, device busy events and more.
  feature(0x0001, (2 << 2) | PERSISTENT, false, [0, 0, 0, 1, 1, 0, 0, 0]),
  // Morphing.
  feature(0x0002, (1 << 2) | PERSISTENT, false, [2, 0, 0, 0]),
  // Removable medium: tray, can eject, can be locked.
  feature(0x0003, PERSISTENT, false, [0x29, 0, 0, 0]),
  // Random readable: blocks of 2048, 16 at a time.
  feature(0x0010, 0, true, [0, 0, 8, 0, 0, 16, 1, 0]),
  feature(0x001e, 2 << 2, true, [0, 0, 0, 0]),
  feature(0x001f, 0, true, []),
  feature(0x0100, PERSISTENT, false, []),
  feature(0x0105, PERSISTENT, false, [0, 0, 0, 0]),
  feature(0x0107, 0, true, [0, 0, 0, 0]),
]

function feature(code: number, flags: number, needsMedium: boolean, data: readonly number[]): Feature {
  return { code, flags, needsMedium, data }
}

/**
 * @param kind 0 all from `first` on, 1 those current, 2 the one
 * @returns undefined for a kind there is not
 */
export function configuration(kind: number, first: number, hasMedium: boolean): Uint8Array | undefined {
  if (kind === 3) return undefined
  const isCurrent = ({ needsMedium }: Feature): boolean => hasMedium || !needsMedium
  const listed = FEATURES.filter((entry) => {
    if (kind === 2) return entry.code === first
    return entry.code >= first && (kind === 0 || isCurrent(entry))
  })
  const body = listed.flatMap((entry) => encode(entry, isCurrent(entry), hasMedium))
  const profile = hasMedium ? PROFILE_DVD_ROM : 0
  const data = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, profile, ...body)
  new DataView(data.buffer).setUint32(0, data.length - 4)
  return data
}

function encode(entry: Feature, current: boolean, hasMedium: boolean): number[] {
  const data = [...entry.data]
  if (entry.code === 0 && hasMedium) data[2] = CURRENT
  return [entry.code >>> 8, entry.code & 0xff, entry.flags | (current ? CURRENT : 0), data.length, ...data]
}
