import type { Channel, Driver } from '@bis/hyperv-types'
import { FILE_COPY_1_1, IC_FRAMEWORK_3_0, IcMessageType } from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { icDriver } from '../ic/ic-driver.ts'
import { CopySession } from './copy-session.ts'
import { fcopyDaemonDevice } from './fcopy-daemon.ts'
import type { FileCopyTarget } from './file-copy-target.ts'

export interface FileCopyOptions {
  /** Where the host's files go while no daemon is registered; without it they are refused then. */
  readonly fileCopy?: FileCopyTarget
}

const DEFAULT_RING_BYTES = 5 * 4096

/**
 * The file copy driver, `hvfcopy0`, with `/dev/vmbus/hv_fcopy` for hv_fcopy_daemon.
 * @param ringBytes each ring; default 20 KiB
 */
export function fileCopyDriver({ fileCopy }: FileCopyOptions = {}, ringBytes = DEFAULT_RING_BYTES): Driver<Channel> {
  return icDriver({
    name: 'hvfcopy',
    description: 'Hyper-V File Copy',
    interfaceId: InterfaceId.FILE_COPY,
    messageType: IcMessageType.FILE_COPY,
    versions: [FILE_COPY_1_1],
    frameworks: [IC_FRAMEWORK_3_0],
    ringBytes,
    attach({ kernel, log, sysctl }) {
      const daemon = fcopyDaemonDevice(kernel.clock)
      const session = new CopySession(daemon, fileCopy, log)
      const removeDevice = kernel.characterDevices.add(daemon)
      sysctl.leaf('daemon', 'none, opened, idle, asked or owing', () => daemon.state)
      sysctl.leaf('files', 'files copied', () => session.files)
      sysctl.leaf('bytes', 'bytes received', () => session.bytes)
      sysctl.leaf('failures', 'messages refused', () => session.failures)
      return {
        onRequest: (request) => void session.serve(request.body).then((status) => request.respond(status)),
        onReset: () => void session.abandon(),
        // The rest of a file is gone before the guest sleeps, unless a daemon that has something in hand must remove it.
        async suspended() {
          if (daemon.state !== 'asked' && daemon.state !== 'owing') await session.abandon()
        },
        async dispose() {
          // A daemon that has something in hand is not waited for; one that has nothing is told to cancel.
          if (daemon.state !== 'idle') daemon.remove()
          await session.abandon()
          daemon.remove()
          removeDevice()
        },
      }
    },
  })
}
