import { closeSync, constants, openSync, read, writeSync } from 'node:fs'
import type { DaemonFile } from '../../daemon/run-daemon.ts'
import { KvpError } from '../../errors.ts'

/** What a failed open of the device means to whoever started the daemon. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such device: this is no guest of Hyper-V, or its host offers no data exchange',
  ENODEV: 'nothing serves it',
  EBUSY: 'another daemon has it open: stop that one first',
  EACCES: 'permission denied: run the daemon as root',
}

/**
 * Opens the kernel's character device. A read waits in a thread of Node.js's pool; nothing but a message or the end of
 * the process ends it.
 * @throws KvpError `device`
 */
export function openDevice(path: string, messageBytes: number): DaemonFile {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDWR)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw new KvpError('device', `${path}: ${REASONS[code] ?? (error as Error).message}`, { cause: error })
  }
  let closed = false
  return {
    read(signal) {
      return new Promise((resolve, reject) => {
        const abort = (): void => reject(new KvpError('aborted', 'the daemon was told to end'))
        if (signal?.aborted === true) abort()
        signal?.addEventListener('abort', abort, { once: true })
        read(descriptor, new Uint8Array(messageBytes), 0, messageBytes, null, (error, length, bytes) => {
          signal?.removeEventListener('abort', abort)
          if (error === null) resolve(bytes.subarray(0, length))
          else reject(new KvpError('device', `${path} cannot be read: ${error.message}`, { cause: error }))
        })
      })
    },
    write(message) {
      try {
        writeSync(descriptor, message)
      } catch (error) {
        throw new KvpError('device', `${path} takes no answer: ${(error as Error).message}`, { cause: error })
      }
    },
    close() {
      if (closed) return
      closed = true
      closeSync(descriptor)
    },
  }
}
