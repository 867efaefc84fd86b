import { crc32, formatGuid } from '@bis/hyperv-types/struct'
import type { ReadBytes } from '../byte-source.ts'
import { viewOf } from '../byte-source.ts'

/** One partition; offsets and sizes in bytes. */
export interface Partition {
  /** Number as the table counts, from 1. */
  readonly number: number
  /** What it is for, in words, or the type's GUID or number. */
  readonly type: string
  readonly label: string
  readonly offset: number
  readonly size: number
}

export interface PartitionTable {
  readonly scheme: 'GPT' | 'MBR' | 'none'
  readonly partitions: readonly Partition[]
  /** What is wrong with a GPT: the primary when the backup was read; both when neither could be. */
  readonly damage?: string
}

export const EFI_SYSTEM_PARTITION = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b'

const GPT_TYPES: Readonly<Record<string, string>> = {
  [EFI_SYSTEM_PARTITION]: 'efi',
  '83bd6b9d-7f41-11dc-be0b-001560b84f0f': 'freebsd-boot',
  '516e7cb4-6ecf-11d6-8ff8-00022d09712b': 'freebsd',
  '516e7cb5-6ecf-11d6-8ff8-00022d09712b': 'freebsd-swap',
  '516e7cb6-6ecf-11d6-8ff8-00022d09712b': 'freebsd-ufs',
  '516e7cba-6ecf-11d6-8ff8-00022d09712b': 'freebsd-zfs',
  'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'ms-basic-data',
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'linux-data',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'linux-swap',
  '21686148-6449-6e6f-744e-656564454649': 'bios-boot',
}

const MBR_TYPES: Readonly<Record<number, string>> = {
  1: 'fat12',
  4: 'fat16',
  6: 'fat16b',
  7: 'ntfs',
  11: 'fat32',
  12: 'fat32lba',
  14: 'fat16lba',
  130: 'linux-swap',
  131: 'linux-data',
  165: 'freebsd',
  239: 'efi',
}

/** MBR type of the one partition that keeps older systems off a GPT. */
const PROTECTIVE = 0xee

/** A table larger than this is not believed. */
const MAX_ENTRIES = 1024

/** Reads the partition table of a disk: the primary GPT, its backup when that is broken, or the four MBR slots. */
export async function readPartitionTable(
  read: ReadBytes,
  blockSize: number,
  diskSize: number,
): Promise<PartitionTable> {
  if (diskSize < 2 * blockSize) return { scheme: 'none', partitions: [] }
  const primary = await readGpt(read, blockSize, diskSize, blockSize)
  if (typeof primary === 'object') return { scheme: 'GPT', partitions: primary }
  const backup = await readGpt(read, blockSize, diskSize, diskSize - blockSize)
  const damage = `primary: ${primary}${typeof backup === 'object' ? '' : `; backup: ${backup}`}`
  if (typeof backup === 'object') return { scheme: 'GPT', partitions: backup, damage }
  const mbr = await read(0, blockSize)
  if (mbr[510] !== 0x55 || mbr[511] !== 0xaa) return { scheme: 'none', partitions: [] }
  const partitions = readMbr(mbr, blockSize, diskSize)
  const meant = viewOf(mbr).getUint8(446 + 4) === PROTECTIVE ? { damage } : {}
  return { scheme: partitions.length > 0 ? 'MBR' : 'none', partitions, ...meant }
}

/** The partitions, or what is wrong with this copy of the table (UEFI specification 2.10, 5.3.2). */
async function readGpt(
  read: ReadBytes,
  blockSize: number,
  diskSize: number,
  at: number,
): Promise<Partition[] | string> {
  const header = await read(at, blockSize)
  const view = viewOf(header)
  const headerSize = view.getUint32(12, true)
  if (new TextDecoder('latin1').decode(header.subarray(0, 8)) !== 'EFI PART') return 'no header'
  if (headerSize < 92 || headerSize > blockSize) return `a header of ${headerSize} bytes`
  const checked = header.slice(0, headerSize)
  checked.fill(0, 16, 20)
  if (crc32(checked) !== view.getUint32(16, true)) return 'the CRC of the header is wrong'
  const block = Number(view.getBigUint64(24, true))
  if (block * blockSize !== at) return `a header for block ${block} at block ${at / blockSize}`
  const entryOffset = Number(view.getBigUint64(72, true)) * blockSize
  const count = view.getUint32(80, true)
  const entrySize = view.getUint32(84, true)
  if (count > MAX_ENTRIES || entrySize < 128 || entrySize > 4096) return `${count} entries of ${entrySize} bytes`
  const length = Math.ceil((count * entrySize) / blockSize) * blockSize
  if (entryOffset + length > diskSize) return 'its entries lie behind the end of the disk'
  const entries = (await read(entryOffset, length)).subarray(0, count * entrySize)
  if (crc32(entries) !== view.getUint32(88, true)) return 'the CRC of the entries is wrong'
  const partitions: Partition[] = []
  for (let index = 0; index < count; index++) {
    const partition = gptEntry(entries.subarray(index * entrySize, (index + 1) * entrySize), index + 1, blockSize)
    if (partition !== undefined) partitions.push(partition)
  }
  return partitions
}

function gptEntry(entry: Uint8Array, number: number, blockSize: number): Partition | undefined {
  if (entry.subarray(0, 16).every((byte) => byte === 0)) return undefined
  const view = viewOf(entry)
  const first = Number(view.getBigUint64(32, true))
  const last = Number(view.getBigUint64(40, true))
  const type = formatGuid(entry)
  const label = new TextDecoder('utf-16le').decode(entry.subarray(56, 128)).replace(/\0[\s\S]*$/, '')
  return {
    number,
    type: GPT_TYPES[type] ?? type,
    label,
    offset: first * blockSize,
    size: (last - first + 1) * blockSize,
  }
}

function readMbr(mbr: Uint8Array, blockSize: number, diskSize: number): Partition[] {
  const view = viewOf(mbr)
  const partitions: Partition[] = []
  for (let slot = 0; slot < 4; slot++) {
    const at = 446 + 16 * slot
    const type = view.getUint8(at + 4)
    const offset = view.getUint32(at + 8, true) * blockSize
    const size = view.getUint32(at + 12, true) * blockSize
    if (type === 0 || size === 0 || offset + size > diskSize) continue
    const name = MBR_TYPES[type] ?? `0x${type.toString(16).padStart(2, '0')}`
    partitions.push({ number: slot + 1, type: name, label: '', offset, size })
  }
  return partitions
}
