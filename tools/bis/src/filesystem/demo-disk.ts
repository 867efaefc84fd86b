import type { NewFile } from '@bis/uefi'
import { EFI_SYSTEM_PARTITION, makeFat16, writeGpt } from '@bis/uefi'
import { sha256 } from './hash.ts'

const BLOCK = 512
const MIB = 2 ** 20
const DISK_BYTES = 16 * MIB
const SYSTEM = { first: (1 * MIB) / BLOCK, last: (12 * MIB) / BLOCK - 1 }
const SCRATCH = { first: (12 * MIB) / BLOCK, last: (14 * MIB) / BLOCK - 1 }

export interface DemoDisk {
  readonly bytes: Uint8Array
  /** SHA-256 of each file by path. */
  readonly hashes: ReadonlyMap<string, string>
}

/** A small GPT disk: an EFI system partition with files, and a swap partition that may be written to. */
export function makeDemoDisk(): DemoDisk {
  const files = demoFiles()
  const bytes = new Uint8Array(DISK_BYTES)
  writeGpt(bytes, 'b1500000-2014-4114-8000-000000000001', [
    {
      type: EFI_SYSTEM_PARTITION,
      id: 'b1500000-2014-4114-8000-000000000002',
      label: 'efiboot0',
      ...SYSTEM,
    },
    {
      type: '516e7cb5-6ecf-11d6-8ff8-00022d09712b',
      id: 'b1500000-2014-4114-8000-000000000003',
      label: 'swap0',
      ...SCRATCH,
    },
  ])
  const volume = makeFat16((SYSTEM.last - SYSTEM.first + 1) * BLOCK, 'BISDEMO', files, SYSTEM.first)
  bytes.set(volume, SYSTEM.first * BLOCK)
  return { bytes, hashes: new Map(files.map(({ path, data }) => [path, sha256(data)])) }
}

function demoFiles(): NewFile[] {
  const text = (lines: string): Uint8Array => new TextEncoder().encode(lines)
  const pattern = (length: number, step: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => Math.imul(i, step) >>> 24)
  return [
    { path: 'EFI/BOOT/BOOTX64.EFI', data: pattern(393_216, 2_654_435_761) },
    { path: 'EFI/FREEBSD/LOADER.EFI', data: pattern(651_264, 2_246_822_519) },
    { path: 'BOOT/LOADER.CON', data: text('hv_vmbus_load="YES"\nhv_storvsc_load="YES"\nautoboot_delay="-1"\n') },
    { path: 'README.TXT', data: text('This disk was made by the host and is read by the guest through storvsc.\n') },
  ]
}
