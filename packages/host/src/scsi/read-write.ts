import { Sense } from '@bis/hyperv-types/scsi'
import { decodeBlockRange } from './block-range.ts'
import type { Disk } from './disk.ts'
import type { ScsiRequest } from './request.ts'
import { failed, finish, readData, writeData } from './transfer.ts'

const RELATIVE_ADDRESS = 0x01
const FORCE_UNIT_ACCESS = 0x08

/** READ(6), (10), (12), (16). */
export function read(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  const length = checkTransfer(unit, request)
  if (length <= 0) return undefined
  if (request.direction === 0) return request.check(Sense.INVALID_FIELD_IN_CDB)
  try {
    const pending = readData(unit.backend, request.lba * unit.sectorSize, request, length)
    if (pending !== undefined) {
      return pending.then(
        () => request.good(length),
        (error: unknown) => failed(request, error, false),
      )
    }
  } catch (error) {
    return failed(request, error, false)
  }
  return request.good(length)
}

/** WRITE(6), (10), (12), (16). */
export function write(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  const length = checkTransfer(unit, request)
  if (length < 0) return undefined
  if (unit.backend.readOnly) return request.check(Sense.WRITE_PROTECTED)
  if (length === 0) return undefined
  const durable = request.opcode >= 0x20 && (request.byte(1) & FORCE_UNIT_ACCESS) !== 0
  if (durable) return writeDurably(unit, request, length)
  try {
    const pending = writeData(unit.backend, request.lba * unit.sectorSize, request, length)
    if (pending !== undefined) {
      return pending.then(
        () => request.good(length),
        (error: unknown) => failed(request, error, true),
      )
    }
  } catch (error) {
    return failed(request, error, true)
  }
  return request.good(length)
}

/** WRITE AND VERIFY: what was written is on the medium when it ends. */
export function writeAndVerify(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  const length = checkTransfer(unit, request)
  if (length < 0) return undefined
  if (unit.backend.readOnly) return request.check(Sense.WRITE_PROTECTED)
  return length === 0 ? undefined : writeDurably(unit, request, length)
}

function writeDurably(unit: Disk, request: ScsiRequest, length: number): Promise<void> | undefined {
  const { backend } = unit
  const work = (): Promise<void> | undefined => {
    const written = writeData(backend, request.lba * unit.sectorSize, request, length)
    return written === undefined ? backend.flush() : written.then(() => backend.flush())
  }
  return finish(request, work, length, true)
}

/**
 * VERIFY(10), (12), (16). BYTCHK 0: the range is there; 1: compare it with the data; 3: compare each sector with the one
 * sector of data. Source: SBC-3 5.30.
 */
export function verify(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  decodeBlockRange(request)
  if (!inRange(unit, request)) return request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
  const check = (request.byte(1) >>> 1) & 3
  if (check === 2) return request.check(Sense.INVALID_FIELD_IN_CDB, 1)
  if (check === 0 || request.blocks === 0) return request.good()
  const length = request.blocks * unit.sectorSize
  const expected = new Uint8Array(check === 3 ? unit.sectorSize : length)
  if (length > MAX_COMPARE_BYTES || request.data.length < expected.length) {
    return request.check(Sense.INVALID_FIELD_IN_CDB)
  }
  request.data.read(0, expected)
  const stored = new Uint8Array(length)
  const compare = (): undefined => {
    const same = stored.every((byte, i) => byte === expected[i % expected.length])
    return same ? request.good(expected.length) : request.check(Sense.MISCOMPARE_DURING_VERIFY)
  }
  try {
    const pending = unit.backend.read(request.lba * unit.sectorSize, stored)
    if (pending === undefined) return compare()
    return pending.then(compare, (error: unknown) => failed(request, error, false))
  } catch (error) {
    return failed(request, error, false)
  }
}

/** SYNCHRONIZE CACHE(10), (16): the whole disk, whatever range is named; IMMED changes nothing. */
export function synchronizeCache(unit: Disk, request: ScsiRequest): Promise<void> | undefined {
  decodeBlockRange(request)
  if (!inRange(unit, request)) return request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
  return finish(request, () => unit.backend.flush(), 0, true)
}

/** A guest may not make the host compare, and so hold, more than this at once. */
const MAX_COMPARE_BYTES = 8 * 1024 * 1024

/**
 * Decodes and checks what READ and WRITE have in common.
 * @returns the bytes to move; 0, with the request ended GOOD, for no block; -1 when the request has been refused.
 */
function checkTransfer(unit: Disk, request: ScsiRequest): number {
  decodeBlockRange(request)
  if (request.opcode >= 0x20 && (request.byte(1) & RELATIVE_ADDRESS) !== 0) {
    request.check(Sense.INVALID_FIELD_IN_CDB, 1)
    return -1
  }
  const length = request.blocks * unit.sectorSize
  if (!inRange(unit, request) || length > request.data.length) {
    request.check(Sense.LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE)
    return -1
  }
  if (length === 0) request.good()
  return length
}

/** Sums of numbers below 2^53 and 2^32 are exact enough to compare; Infinity is beyond every disk. */
export function inRange(unit: Disk, { lba, blocks }: ScsiRequest): boolean {
  return lba + blocks <= unit.sectorCount
}
