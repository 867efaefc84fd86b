import { DeviceError } from '@bis/hyperv-types'
import { VssOperation } from '@bis/hyperv-types/ic'
import type { VssHook } from '../vss/freezer.ts'
import { REGISTER1, VSS_MESSAGE_BYTES } from '../vss/vss-daemon.ts'
import type { DaemonFile, DaemonOptions } from './serve-file-copy.ts'

/**
 * The snapshot daemon, in place of hv_vss_daemon: registers, and freezes and thaws a hook, until the device goes away. What
 * is frozen by then is thawed, and the device closed. Says nothing while it is frozen, since the log may be on what is.
 * @throws DeviceError `protocol`; what reading or writing the device throws
 */
export async function serveSnapshots(file: DaemonFile, hook: VssHook, options: DaemonOptions): Promise<never> {
  const { log, signal = new AbortController().signal } = options
  let frozen = false
  const thaw = async (): Promise<void> => {
    if (!frozen) return
    frozen = false
    await hook.thaw()
  }
  const operate = async (operation: number): Promise<void> => {
    if (operation === VssOperation.FREEZE) {
      if (frozen) return
      frozen = true
      await hook.freeze(signal)
    } else if (operation === VssOperation.THAW) await thaw()
    else if ((await hook.check?.()) === false) throw new Error('no snapshot can be made now')
  }
  try {
    const registration = new Uint8Array(VSS_MESSAGE_BYTES)
    registration[0] = REGISTER1
    file.write(registration)
    const { length } = await file.read(signal)
    if (length !== 4) throw new DeviceError('protocol', `the registration's answer has ${length} bytes`)
    for (;;) {
      const message = (await file.read(signal)).slice(0, VSS_MESSAGE_BYTES)
      if (message.length < VSS_MESSAGE_BYTES) throw new DeviceError('protocol', `a message of ${message.length} bytes`)
      const failure = await operate(message[0] ?? 0).then(
        () => undefined,
        async (error: unknown) => {
          await thaw().catch(() => {})
          return error instanceof Error ? error.message : String(error)
        },
      )
      message.fill(0, 0, 4)
      message[0] = failure === undefined ? 0 : 1
      file.write(message)
      if (failure !== undefined) log.log('warning', failure, 'failure')
    }
  } finally {
    file.close()
    await thaw()
  }
}
