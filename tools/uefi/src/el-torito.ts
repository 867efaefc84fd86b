import type { ReadBytes } from './byte-source.ts'
import { viewOf } from './byte-source.ts'

const SECTOR = 2048
const BOOT_RECORD_SECTOR = 17
const EFI_PLATFORM = 0xef
const BOOTABLE = 0x88
const SECTION = 0x90
const LAST_SECTION = 0x91
const ENTRY = 32

/**
 * Byte offset of the EFI boot image of an optical disc (El Torito 1.0, section 2; platform 0xEF by UEFI 2.10, 13.3.2.1).
 * @returns undefined when the disc has none
 */
export async function findEfiBootImage(read: ReadBytes, discSize: number): Promise<number | undefined> {
  if (discSize < (BOOT_RECORD_SECTOR + 1) * SECTOR) return undefined
  const record = await read(BOOT_RECORD_SECTOR * SECTOR, SECTOR)
  const text = new TextDecoder('latin1')
  if (record[0] !== 0 || text.decode(record.subarray(1, 6)) !== 'CD001') return undefined
  if (text.decode(record.subarray(7, 30)) !== 'EL TORITO SPECIFICATION') return undefined
  const catalogAt = viewOf(record).getUint32(0x47, true) * SECTOR
  if (catalogAt + SECTOR > discSize) return undefined
  const catalog = await read(catalogAt, SECTOR)
  if (!isCatalog(catalog)) return undefined
  const image = efiImageOf(viewOf(catalog))
  return image === undefined || image * SECTOR >= discSize ? undefined : image * SECTOR
}

/** The validation entry: its header and key, and 16-bit words whose sum is zero. */
function isCatalog(catalog: Uint8Array): boolean {
  const view = viewOf(catalog)
  let sum = 0
  for (let at = 0; at < ENTRY; at += 2) sum += view.getUint16(at, true)
  return view.getUint8(0) === 1 && view.getUint16(30, true) === 0xaa55 && sum % 65_536 === 0
}

/** The sector of the first bootable image for EFI, in the default entry or in one of the sections after it. */
function efiImageOf(catalog: DataView): number | undefined {
  const imageAt = (at: number): number | undefined =>
    at + ENTRY <= catalog.byteLength && catalog.getUint8(at) === BOOTABLE ? catalog.getUint32(at + 8, true) : undefined
  const first = catalog.getUint8(1) === EFI_PLATFORM ? imageAt(ENTRY) : undefined
  if (first !== undefined) return first
  for (let at = 2 * ENTRY; at + ENTRY <= catalog.byteLength; ) {
    const kind = catalog.getUint8(at)
    if (kind !== SECTION && kind !== LAST_SECTION) return undefined
    const count = catalog.getUint16(at + 2, true)
    for (let i = 1; i <= count && catalog.getUint8(at + 1) === EFI_PLATFORM; i++) {
      const image = imageAt(at + i * ENTRY)
      if (image !== undefined) return image
    }
    if (kind === LAST_SECTION) return undefined
    at += (1 + count) * ENTRY
  }
  return undefined
}
