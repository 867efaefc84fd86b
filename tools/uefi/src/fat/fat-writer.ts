import { viewOf } from '../byte-source.ts'

export interface NewFile {
  /** Upper-case 8.3 names with `/` between folders (`EFI/BOOT/BOOTX64.EFI`). */
  readonly path: string
  readonly data: Uint8Array
}

const SECTOR = 512
const ROOT_ENTRIES = 512
const RESERVED_SECTORS = 1
const END_OF_CHAIN = 0xffff
const DIRECTORY = 0x10

interface Folder {
  readonly files: Map<string, Uint8Array>
  readonly folders: Map<string, Folder>
}

/**
 * Makes a FAT16 volume with files in it (Microsoft's FAT specification, 1.03).
 * @param size bytes; with one-sector clusters FAT16 needs 4085 to 65524 of them: about 2.2 to 32 MiB
 * @param firstSector of the volume on its disk, for the BPB's hidden sectors
 */
export function makeFat16(size: number, label: string, files: readonly NewFile[], firstSector: number): Uint8Array {
  const sectors = size / SECTOR
  const rootSectors = (ROOT_ENTRIES * 32) / SECTOR
  const fatSectors = Math.ceil((sectors * 2) / SECTOR)
  const volume = new Uint8Array(size)
  writeBootSector(volume, sectors, fatSectors, label, firstSector)
  const fatBytes = volume.subarray(SECTOR * RESERVED_SECTORS, SECTOR * (RESERVED_SECTORS + fatSectors))
  const fat = viewOf(fatBytes)
  fat.setUint16(0, 0xfff8, true)
  fat.setUint16(2, END_OF_CHAIN, true)
  const dataStart = (RESERVED_SECTORS + 2 * fatSectors + rootSectors) * SECTOR
  let nextCluster = 2

  const store = (data: Uint8Array): number => {
    if (data.length === 0) return 0
    const first = nextCluster
    const count = Math.ceil(data.length / SECTOR)
    volume.set(data, dataStart + (first - 2) * SECTOR)
    for (let i = 0; i < count; i++) {
      fat.setUint16(2 * (first + i), i === count - 1 ? END_OF_CHAIN : first + i + 1, true)
    }
    nextCluster += count
    return first
  }

  /** A folder's cluster must be known before its children's `..` entries are written: it is taken first. */
  const storeFolder = (folder: Folder, parent: number): number => {
    const entries = new Uint8Array(SECTOR * Math.ceil(((folder.files.size + folder.folders.size + 2) * 32) / SECTOR))
    const cluster = store(entries)
    writeEntry(entries, 0, '.', DIRECTORY, cluster, 0)
    writeEntry(entries, 1, '..', DIRECTORY, parent, 0)
    fill(entries, 2, folder, cluster)
    volume.set(entries, dataStart + (cluster - 2) * SECTOR)
    return cluster
  }

  const fill = (entries: Uint8Array, from: number, folder: Folder, self: number): void => {
    let slot = from
    for (const [name, child] of folder.folders)
      writeEntry(entries, slot++, name, DIRECTORY, storeFolder(child, self), 0)
    for (const [name, data] of folder.files) writeEntry(entries, slot++, name, 0x20, store(data), data.length)
  }

  const root = volume.subarray(dataStart - rootSectors * SECTOR, dataStart)
  writeEntry(root, 0, label, 0x08, 0, 0)
  fill(root, 1, folderTree(files), 0)
  volume.copyWithin(
    SECTOR * (RESERVED_SECTORS + fatSectors),
    SECTOR * RESERVED_SECTORS,
    SECTOR * (RESERVED_SECTORS + fatSectors),
  )
  return volume
}

function folderTree(files: readonly NewFile[]): Folder {
  const root: Folder = { files: new Map(), folders: new Map() }
  for (const { path, data } of files) {
    const parts = path.split('/')
    const name = parts.pop() ?? ''
    let folder = root
    for (const part of parts) {
      const next = folder.folders.get(part) ?? { files: new Map(), folders: new Map() }
      folder.folders.set(part, next)
      folder = next
    }
    folder.files.set(name, data)
  }
  return root
}

function writeBootSector(
  volume: Uint8Array,
  sectors: number,
  fatSectors: number,
  label: string,
  firstSector: number,
): void {
  const view = viewOf(volume)
  const text = new TextEncoder()
  volume.set([0xeb, 0x3c, 0x90], 0)
  volume.set(text.encode('BISFAT  '), 3)
  view.setUint16(11, SECTOR, true)
  view.setUint8(13, 1)
  view.setUint16(14, RESERVED_SECTORS, true)
  view.setUint8(16, 2)
  view.setUint16(17, ROOT_ENTRIES, true)
  if (sectors < 65_536) view.setUint16(19, sectors, true)
  else view.setUint32(32, sectors, true)
  view.setUint8(21, 0xf8)
  view.setUint16(22, fatSectors, true)
  view.setUint16(24, 63, true)
  view.setUint16(26, 16, true)
  view.setUint32(28, firstSector, true)
  view.setUint8(36, 0x80)
  view.setUint8(38, 0x29)
  view.setUint32(39, 0x20140f17, true)
  volume.set(text.encode(label.padEnd(11)), 43)
  volume.set(text.encode('FAT16   '), 54)
  view.setUint16(510, 0xaa55, true)
}

/** 2014-11-14 12:00, in FAT's packed form. */
const FAT_DATE = ((2014 - 1980) << 9) | (11 << 5) | 14
const FAT_TIME = 12 << 11

function writeEntry(
  entries: Uint8Array,
  slot: number,
  name: string,
  attributes: number,
  cluster: number,
  size: number,
): void {
  const at = 32 * slot
  const [base = '', extension = ''] = name.startsWith('.') || (attributes & 8) !== 0 ? [name] : name.split('.')
  const packed = (attributes & 8) !== 0 ? base.padEnd(11) : base.padEnd(8) + extension.padEnd(3)
  entries.set(new TextEncoder().encode(packed), at)
  const view = viewOf(entries)
  view.setUint8(at + 11, attributes)
  view.setUint16(at + 22, FAT_TIME, true)
  view.setUint16(at + 24, FAT_DATE, true)
  view.setUint16(at + 26, cluster, true)
  view.setUint32(at + 28, size, true)
}
