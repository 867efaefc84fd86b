import type { BlockDevice } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'

/** A disk over bytes; what lies outside is refused, as a real disk does. */
export function memoryDisk(bytes: Uint8Array, blockSize = 512): BlockDevice {
  const blockCount = Math.floor(bytes.length / blockSize)
  return {
    name: 'da0',
    description: 'memory',
    geometry: { blockSize, physicalBlockSize: blockSize, blockCount, readOnly: true, maxTransferBytes: 2 ** 20 },
    async read(offset, target) {
      if (offset % blockSize !== 0 || target.length % blockSize !== 0) {
        throw new DeviceError('invalid-argument', `${target.length} bytes at ${offset} are no blocks`)
      }
      if (!(offset >= 0 && offset + target.length <= blockCount * blockSize)) {
        throw new DeviceError('out-of-range', `${target.length} bytes at ${offset}`)
      }
      target.set(bytes.subarray(offset, offset + target.length))
    },
    write: () => Promise.reject(new DeviceError('read-only', 'this disk is only read')),
    flush: () => Promise.resolve(),
    trim: () => Promise.resolve(),
    onEvent: () => () => {},
  }
}
