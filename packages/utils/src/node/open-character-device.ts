import { closeSync, constants, openSync, read, writeSync } from 'node:fs'
import { DeviceError } from '@bis/hyperv-types'
import type { DaemonFile } from '../daemon/serve-file-copy.ts'

/** What a failed open of a device means to whoever started the daemon. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such device: this is no guest of Hyper-V, or its host offers no such service',
  ENODEV: 'nothing serves it',
  EBUSY: 'another daemon has it open: stop that one first',
  EACCES: 'permission denied: run the daemon as root',
}

/**
 * Opens a character device of the system's kernel (`/dev/vmbus/hv_vss`). A read waits in a thread of Node.js's pool; nothing
 * but a message or the end of the process ends it, and until then closing waits: its number may be another file's by then.
 * @throws DeviceError `io`, as its methods do
 */
export function openCharacterDevice(path: string, mostBytes: number): DaemonFile {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDWR)
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw new DeviceError('io', `${path}: ${REASONS[code] ?? message}`, { cause: error })
  }
  let reading = false
  let closed = false
  return {
    read(signal) {
      return new Promise((resolve, reject) => {
        const abort = (): void => reject(new DeviceError('aborted', 'the daemon was told to end'))
        if (signal?.aborted === true) {
          abort()
          return
        }
        signal?.addEventListener('abort', abort, { once: true })
        reading = true
        read(descriptor, new Uint8Array(mostBytes), 0, mostBytes, null, (error, length, bytes) => {
          signal?.removeEventListener('abort', abort)
          reading = false
          if (closed) closeSync(descriptor)
          if (error === null && length > 0) resolve(bytes.subarray(0, length))
          else {
            const reason = error?.message ?? 'it has ended'
            reject(new DeviceError('io', `${path} cannot be read: ${reason}`, { cause: error }))
          }
        })
      })
    },
    write(message) {
      try {
        writeSync(descriptor, message)
      } catch (error) {
        throw new DeviceError('io', `${path} takes no answer: ${(error as Error).message}`, { cause: error })
      }
    },
    close() {
      if (closed) return
      closed = true
      if (!reading) closeSync(descriptor)
    },
  }
}
