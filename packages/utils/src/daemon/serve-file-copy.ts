import type { CharacterFile, Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { fileCopyWrite } from '@bis/hyperv-types/ic'
import { CopySession } from '../fcopy/copy-session.ts'
import { readDaemonStart } from '../fcopy/file-copy-message.ts'
import type { FileCopyTarget } from '../fcopy/file-copy-target.ts'

/** What a daemon needs of its device, ours or a kernel's. */
export type DaemonFile = Pick<CharacterFile, 'read' | 'write' | 'close'>

export interface DaemonOptions {
  readonly log: Logger
  readonly signal?: AbortSignal
}

/** The longest message of the device. */
export const FILE_COPY_WRITE_BYTES = fileCopyWrite.size
const VERSION = Uint8Array.of(1, 0, 0, 0)

/**
 * The file copy daemon, in place of hv_fcopy_daemon: registers, and puts the host's files where the target says, until the
 * device goes away. A file that is not whole by then is removed, and the device closed.
 * @throws DeviceError `protocol`; what reading or writing the device throws
 */
export async function serveFileCopy(file: DaemonFile, target: FileCopyTarget, options: DaemonOptions): Promise<never> {
  const { log, signal } = options
  const session = new CopySession(undefined, target, log, readDaemonStart)
  try {
    file.write(VERSION)
    const { length } = await file.read(signal)
    if (length !== VERSION.length) throw new DeviceError('protocol', `the registration's answer has ${length} bytes`)
    for (;;) {
      const status = await session.serve(await file.read(signal))
      file.write(new Uint8Array(Uint32Array.of(status).buffer))
    }
  } finally {
    file.close()
    await session.abandon()
  }
}
