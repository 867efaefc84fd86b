import { viewOf } from '../byte-source.ts'

export interface DirectoryEntry {
  /** The long name where there is one. */
  readonly name: string
  /** Eight and three characters, in upper case (`BOOTX64.EFI`). */
  readonly shortName: string
  readonly isFolder: boolean
  readonly size: number
  readonly firstCluster: number
}

const DELETED = 0xe5
const LONG_NAME = 0x0f
const VOLUME_LABEL = 0x08
const DIRECTORY = 0x10
const LAST_LONG_PART = 0x40
const MAX_LONG_NAME = 255
const LATIN1 = new TextDecoder('latin1')
const LONG_NAME_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]

/** The files and folders of a folder's bytes, without its label, `.` and `..`. */
export function* parseDirectory(bytes: Uint8Array): Generator<DirectoryEntry> {
  const view = viewOf(bytes)
  let longName = ''
  let checksum = 0
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const lead = view.getUint8(at)
    const attributes = view.getUint8(at + 11)
    if (lead === 0) return
    if (lead === DELETED) longName = ''
    else if (attributes === LONG_NAME) {
      const rest = lead & LAST_LONG_PART || longName.length > MAX_LONG_NAME ? '' : longName
      longName = longNamePart(view, at) + rest
      checksum = view.getUint8(at + 13)
    } else {
      const shortName = shortNameAt(bytes, at)
      // A long name that an older system orphaned does not have the checksum of the short one after it.
      const name = longName !== '' && checksum === checksumOf(bytes, at) ? longName : shortName
      longName = ''
      if ((attributes & VOLUME_LABEL) !== 0 || lead === 0x2e) continue
      yield {
        name,
        shortName,
        isFolder: (attributes & DIRECTORY) !== 0,
        size: view.getUint32(at + 28, true),
        firstCluster: view.getUint16(at + 20, true) * 65_536 + view.getUint16(at + 26, true),
      }
    }
  }
}

/** The entry of a long or short name in a folder's bytes; FAT knows no case. */
export function findEntry(folder: Uint8Array, name: string, isFolder: boolean): DirectoryEntry | undefined {
  const wanted = name.toUpperCase()
  for (const entry of parseDirectory(folder)) {
    if (entry.isFolder !== isFolder) continue
    if (entry.name.toUpperCase() === wanted || entry.shortName.toUpperCase() === wanted) return entry
  }
  return undefined
}

function longNamePart(view: DataView, at: number): string {
  let part = ''
  for (const offset of LONG_NAME_OFFSETS) {
    const unit = view.getUint16(at + offset, true)
    if (unit === 0 || unit === 0xffff) break
    part += String.fromCharCode(unit)
  }
  return part
}

function shortNameAt(bytes: Uint8Array, at: number): string {
  const text = (from: number, to: number): string => LATIN1.decode(bytes.subarray(at + from, at + to)).trimEnd()
  const extension = text(8, 11)
  return extension === '' ? text(0, 8) : `${text(0, 8)}.${extension}`
}

function checksumOf(bytes: Uint8Array, at: number): number {
  let sum = 0
  for (const byte of bytes.subarray(at, at + 11)) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff
  return sum
}
