import { DeviceError } from '@bis/hyperv-types'
import type { BlockRequest } from './block-request.ts'
import { BlockOperation } from './block-request.ts'

/** What a range is checked against. */
export interface DiskShape {
  readonly name: string
  readonly blockSize: number
  readonly byteLength: number
}

/** As {@link DiskShape}, and what else keeps a request from beginning. */
export interface DiskCondition extends DiskShape {
  readonly readOnly: boolean
  readonly mediaPresent: boolean
}

/** @throws DeviceError `invalid-argument` for what is not whole blocks, `out-of-range` beyond the disk's end */
export function checkRange(disk: DiskShape, what: string, offset: number, length: number): void {
  const { name, blockSize, byteLength } = disk
  const range = `${name}: ${what} of ${length} bytes at ${offset}`
  if (!(offset >= 0 && length >= 0) || offset % blockSize !== 0 || length % blockSize !== 0) {
    throw new DeviceError('invalid-argument', `${range}, not whole blocks`)
  }
  if (offset + length > byteLength) throw new DeviceError('out-of-range', `${range} on ${byteLength}`)
}

/** Why a request cannot begin; undefined when it can. */
export function refusalOf(request: BlockRequest, disk: DiskCondition): DeviceError | undefined {
  const { name, blockSize, byteLength } = disk
  if (!disk.mediaPresent) return new DeviceError('no-media', `${name}: no medium`)
  const { operation, offset, length, buffer } = request
  if (operation === BlockOperation.flush) return undefined
  if (operation === BlockOperation.write && disk.readOnly) {
    return new DeviceError('read-only', `${name}: the disk is read-only`)
  }
  if (!(length > 0) || length % blockSize !== 0 || offset % blockSize !== 0 || length > buffer.length) {
    const asked = `${length} bytes at ${offset} with a buffer of ${buffer.length}`
    return new DeviceError('invalid-argument', `${name}: ${asked}: whole blocks of ${blockSize} are needed`)
  }
  if (offset >= 0 && offset + length <= byteLength) return undefined
  return new DeviceError('out-of-range', `${name}: ${length} bytes at ${offset}, on a disk of ${byteLength}`)
}
