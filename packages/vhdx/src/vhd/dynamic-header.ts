import { asciiAt, getU64, putAscii, setU64, utf16, utf16At, viewOf } from '../shared/bytes.ts'
import { vhdChecksum } from './footer.ts'

/** Dynamic disk header, VHD specification 1.0: 1024 bytes, big-endian. */

export const DYNAMIC_HEADER_BYTES = 1024
const COOKIE = 'cxsparse'
const CHECKSUM = 0x24
const NAME = 0x40
const NAME_BYTES = 512
const LOCATORS = 0x240
const LOCATOR_COUNT = 8
const LOCATOR_BYTES = 24

export interface ParentLocatorEntry {
  /** Platform code: `W2ru` relative, `W2ku` absolute Windows path, `MacX` file URL, … */
  code: string
  /** Space reserved in the file; written in bytes by some programs and in sectors by others. */
  space: number
  length: number
  offset: number
}

export interface DynamicHeader {
  batOffset: number
  version: number
  maxEntries: number
  blockSize: number
  parentId: Uint8Array
  /** The parent's modification time, seconds since 2000-01-01 UTC. */
  parentTimestamp: number
  parentName: string
  locators: ParentLocatorEntry[]
}

/** The header in these bytes, or undefined when cookie or checksum are wrong. */
export function decodeDynamicHeader(bytes: Uint8Array): DynamicHeader | undefined {
  const view = viewOf(bytes)
  if (asciiAt(bytes, 0, 8) !== COOKIE || view.getUint32(CHECKSUM) !== vhdChecksum(bytes, CHECKSUM)) return undefined
  const locators: ParentLocatorEntry[] = []
  for (let i = 0; i < LOCATOR_COUNT; i++) {
    const entry = LOCATORS + i * LOCATOR_BYTES
    if (view.getUint32(entry) === 0) continue
    locators.push({
      code: asciiAt(bytes, entry, 4),
      space: view.getUint32(entry + 4),
      length: view.getUint32(entry + 8),
      offset: getU64(view, entry + 16, false),
    })
  }
  return {
    batOffset: getU64(view, 0x10, false),
    version: view.getUint32(0x18),
    maxEntries: view.getUint32(0x1c),
    blockSize: view.getUint32(0x20),
    parentId: bytes.slice(0x28, 0x38),
    parentTimestamp: view.getUint32(0x38),
    parentName: utf16At(bytes, NAME, NAME_BYTES, false),
    locators,
  }
}

export function encodeDynamicHeader(header: DynamicHeader): Uint8Array {
  const bytes = new Uint8Array(DYNAMIC_HEADER_BYTES)
  const view = viewOf(bytes)
  putAscii(bytes, 0, COOKIE)
  bytes.fill(0xff, 8, 16)
  setU64(view, 0x10, header.batOffset, false)
  view.setUint32(0x18, header.version)
  view.setUint32(0x1c, header.maxEntries)
  view.setUint32(0x20, header.blockSize)
  bytes.set(header.parentId, 0x28)
  view.setUint32(0x38, header.parentTimestamp)
  bytes.set(utf16(header.parentName.slice(0, NAME_BYTES / 2), false), NAME)
  header.locators.forEach((locator, i) => {
    const entry = LOCATORS + i * LOCATOR_BYTES
    putAscii(bytes, entry, locator.code)
    view.setUint32(entry + 4, locator.space)
    view.setUint32(entry + 8, locator.length)
    setU64(view, entry + 16, locator.offset, false)
  })
  view.setUint32(CHECKSUM, vhdChecksum(bytes, CHECKSUM))
  return bytes
}
