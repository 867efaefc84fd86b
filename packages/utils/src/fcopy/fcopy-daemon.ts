import type { Clock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { DaemonDevice } from '../daemon/daemon-device.ts'

const WORD = 4
/** Versions of the interface: 0 has no answer to the registration. */
const NEWEST_VERSION = 1

/** `/dev/vmbus/hv_fcopy`, for Linux's hv_fcopy_daemon: messages go to it as they are. Source: drivers/hv/hv_fcopy.c. */
export function fcopyDaemonDevice(clock: Clock): DaemonDevice<Uint8Array, number> {
  return new DaemonDevice<Uint8Array, number>(
    {
      path: 'vmbus/hv_fcopy',
      check({ length }) {
        if (length !== WORD) throw new DeviceError('invalid-argument', `${length} bytes: an answer has ${WORD}`)
      },
      register(message) {
        const version = readWord(message)
        if (version > NEWEST_VERSION)
          throw new DeviceError('invalid-argument', `version ${version}; ${NEWEST_VERSION} is the newest`)
        return version === 0 ? undefined : Uint8Array.of(NEWEST_VERSION, 0, 0, 0)
      },
      encode: (message) => message,
      reply: readWord,
    },
    clock,
  )
}

function readWord(message: Uint8Array): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(0, true)
}
