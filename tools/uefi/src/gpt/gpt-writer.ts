import { crc32, parseGuid, writeUtf16 } from '@bis/hyperv-types/struct'
import { viewOf } from '../byte-source.ts'

export interface NewPartition {
  readonly type: string
  readonly id: string
  /** Cut after 36 UTF-16 units. */
  readonly label: string
  /** First and last block. */
  readonly first: number
  readonly last: number
}

const BLOCK = 512
const ENTRY_COUNT = 128
const LABEL_UNITS = 36
const ENTRY_SIZE = 128
const ENTRY_BLOCKS = (ENTRY_COUNT * ENTRY_SIZE) / BLOCK

/** Writes a protective MBR, the GPT and its backup into a whole disk of 512-byte blocks (UEFI specification, chapter 5). */
export function writeGpt(disk: Uint8Array, diskId: string, partitions: readonly NewPartition[]): void {
  const lastBlock = disk.length / BLOCK - 1
  writeProtectiveMbr(disk, lastBlock)
  const entries = new Uint8Array(ENTRY_COUNT * ENTRY_SIZE)
  for (const [index, { type, id, label, first, last }] of partitions.entries()) {
    const entry = entries.subarray(index * ENTRY_SIZE, (index + 1) * ENTRY_SIZE)
    entry.set(parseGuid(type), 0)
    entry.set(parseGuid(id), 16)
    viewOf(entry).setBigUint64(32, BigInt(first), true)
    viewOf(entry).setBigUint64(40, BigInt(last), true)
    writeUtf16(label.slice(0, LABEL_UNITS), viewOf(entry), 56)
  }
  disk.set(entries, 2 * BLOCK)
  disk.set(entries, (lastBlock - ENTRY_BLOCKS) * BLOCK)
  disk.set(header(1, lastBlock, 2, lastBlock, diskId, entries), BLOCK)
  disk.set(header(lastBlock, 1, lastBlock - ENTRY_BLOCKS, lastBlock, diskId, entries), lastBlock * BLOCK)
}

function writeProtectiveMbr(disk: Uint8Array, lastBlock: number): void {
  const view = viewOf(disk)
  view.setUint8(446 + 4, 0xee)
  view.setUint8(446 + 2, 2)
  disk.fill(0xff, 446 + 5, 446 + 8)
  view.setUint32(446 + 8, 1, true)
  view.setUint32(446 + 12, Math.min(lastBlock, 0xffff_ffff), true)
  view.setUint16(510, 0xaa55, true)
}

function header(
  here: number,
  other: number,
  entriesAt: number,
  lastBlock: number,
  diskId: string,
  entries: Uint8Array,
): Uint8Array {
  const block = new Uint8Array(BLOCK)
  const view = viewOf(block)
  block.set(new TextEncoder().encode('EFI PART'), 0)
  view.setUint32(8, 0x0001_0000, true)
  view.setUint32(12, 92, true)
  view.setBigUint64(24, BigInt(here), true)
  view.setBigUint64(32, BigInt(other), true)
  view.setBigUint64(40, BigInt(2 + ENTRY_BLOCKS), true)
  view.setBigUint64(48, BigInt(lastBlock - ENTRY_BLOCKS - 1), true)
  block.set(parseGuid(diskId), 56)
  view.setBigUint64(72, BigInt(entriesAt), true)
  view.setUint32(80, ENTRY_COUNT, true)
  view.setUint32(84, ENTRY_SIZE, true)
  view.setUint32(88, crc32(entries), true)
  view.setUint32(16, crc32(block.subarray(0, 92)), true)
  return block
}
