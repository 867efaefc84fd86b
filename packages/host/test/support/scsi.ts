import type { DiskUnitOptions } from '../../src/scsi/disk-unit.ts'
import { DiskUnit } from '../../src/scsi/disk-unit.ts'
import type { RamDiskOptions } from '../../src/scsi/ram-disk.ts'
import { RamDisk } from '../../src/scsi/ram-disk.ts'
import { ScsiRequest } from '../../src/scsi/request.ts'
import { ScsiTarget } from '../../src/scsi/target.ts'

export const MIB = 1024 * 1024

export interface Outcome {
  readonly srb: number
  readonly scsi: number
  /** `5/24/00`, or '' without sense. */
  readonly sense: string
  readonly transferred: number
  readonly data: Uint8Array
}

export interface RunOptions {
  readonly data?: number | readonly number[] | Uint8Array
  readonly out?: boolean
  readonly lun?: number
  readonly path?: number
  readonly target?: number
}

/** Runs one command against a target. `data` is a buffer's length, or what it holds. */
export async function run(target: ScsiTarget, cdb: readonly number[], options: RunOptions = {}): Promise<Outcome> {
  const request = new ScsiRequest()
  request.cdb.set(cdb)
  request.lun = options.lun ?? 0
  request.path = options.path ?? 0
  request.target = options.target ?? 0
  const { data = 0 } = options
  const bytes = typeof data === 'number' ? new Uint8Array(data) : Uint8Array.from(data)
  request.direction = bytes.length === 0 ? 2 : options.out === true ? 0 : 1
  if (bytes.length > 0) request.data.add(bytes, 0, bytes.length)
  await target.execute(request)
  const { sense } = request
  const hex = (n = 0): string => n.toString(16).padStart(2, '0')
  return {
    srb: request.srbStatus,
    scsi: request.scsiStatus,
    sense: request.senseLength === 0 ? '' : `${sense[2]?.toString(16)}/${hex(sense[12])}/${hex(sense[13])}`,
    transferred: request.transferred,
    data: bytes,
  }
}

export function diskTarget(options: Partial<RamDiskOptions> = {}, unit: Partial<DiskUnitOptions> = {}): ScsiTarget {
  const target = new ScsiTarget()
  const backend = new RamDisk({ sizeBytes: MIB, ...options })
  target.attach({ path: 0, target: 0, lun: 0 }, new DiskUnit({ backend, ...unit }))
  return target
}

export const u16 = (n: number): number[] => [(n >>> 8) & 0xff, n & 0xff]
export const u32 = (n: number): number[] => [...u16(Math.floor(n / 65536)), ...u16(n % 65536)]
export const u64 = (n: number): number[] => [...u32(Math.floor(n / 2 ** 32)), ...u32(n % 2 ** 32)]
export const cdb10 = (op: number, lba: number, count: number, flags = 0): number[] => [
  op,
  flags,
  ...u32(lba),
  0,
  ...u16(count),
  0,
]
export const cdb12 = (op: number, lba: number, count: number): number[] => [op, 0, ...u32(lba), ...u32(count), 0, 0]
export const cdb16 = (op: number, lba: number[], count: number, flags = 0): number[] => [
  op,
  flags,
  ...lba,
  ...u32(count),
  0,
  0,
]
export const text = (data: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...data.subarray(from, to))
export const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength)

export const GOOD = { srb: 0x01, scsi: 0, sense: '' }
export const illegal = (sense: string): object => ({ srb: 0x86, scsi: 2, sense })
