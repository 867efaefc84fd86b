import type { Clock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { IcStatus, VSS_HBU_NO_AUTO_RECOVERY, VssOperation } from '@bis/hyperv-types/ic'
import { DaemonDevice } from '../daemon/daemon-device.ts'

/** `VSS_OP_REGISTER` (no answer) and `VSS_OP_REGISTER1` of linux/hyperv.h. */
const REGISTER = 128
export const REGISTER1 = 129
/** `struct hv_vss_msg`. */
export const VSS_MESSAGE_BYTES = 12
const FLAGS_OFFSET = 8

/** What the daemon is asked. */
export type VssDaemonOperation = typeof VssOperation.HOT_BACKUP | typeof VssOperation.FREEZE | typeof VssOperation.THAW

/** `/dev/vmbus/hv_vss`, for Linux's hv_vss_daemon. Source: drivers/hv/hv_snapshot.c, include/uapi/linux/hyperv.h. */
export function vssDaemonDevice(clock: Clock, late: () => void): DaemonDevice<VssDaemonOperation, number> {
  return new DaemonDevice<VssDaemonOperation, number>(
    {
      path: 'vmbus/hv_vss',
      check({ length }) {
        if (length !== VSS_MESSAGE_BYTES)
          throw new DeviceError('invalid-argument', `${length} bytes: a message has ${VSS_MESSAGE_BYTES}`)
      },
      register(message) {
        const operation = message[0]
        if (operation !== REGISTER && operation !== REGISTER1)
          throw new DeviceError('invalid-argument', `operation ${operation} registers no daemon`)
        return operation === REGISTER1 ? Uint8Array.of(REGISTER1, 0, 0, 0) : undefined
      },
      encode(operation) {
        const message = new Uint8Array(VSS_MESSAGE_BYTES)
        message[0] = operation
        if (operation === VssOperation.HOT_BACKUP) message[FLAGS_OFFSET] = VSS_HBU_NO_AUTO_RECOVERY
        return message
      },
      reply(message) {
        const error = new DataView(message.buffer, message.byteOffset).getInt32(0, true)
        return error === 0 ? IcStatus.S_OK : IcStatus.E_FAIL
      },
      late,
    },
    clock,
  )
}
