import type { Clock } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { DaemonDevice } from '@bis/utils'
import { decodeReply, encodeOperation, encodeRequest, operationOf } from '../device/message.ts'
import type { KvpDeviceKind } from '../device/system.ts'
import { REGISTER, REGISTER1 } from '../device/system.ts'
import type { KvpReply, KvpRequest } from '../request.ts'

/** What the kernel tells a daemon that registers on Linux, and what it publishes as IntegrationServicesVersion. */
const SERVICES_VERSION = '3.1'

/** The kernel's side of the KVP daemon's character device. */
export function kvpDaemonDevice(kind: KvpDeviceKind, clock: Clock): DaemonDevice<KvpRequest, KvpReply> {
  return new DaemonDevice<KvpRequest, KvpReply>(
    {
      path: kind.path,
      // FreeBSD's answers EPERM; Linux's lets the reader wait.
      registersFirst: !kind.answersRegistration,
      waits: true,
      check({ length }) {
        if (length < kind.messageBytes)
          throw new DeviceError('invalid-argument', `${length} bytes: a message has ${kind.messageBytes}`)
      },
      register(message) {
        const operation = operationOf(message)
        if (operation !== REGISTER && operation !== REGISTER1)
          throw new DeviceError('invalid-argument', `operation ${operation} registers no daemon`)
        return kind.answersRegistration ? encodeOperation(kind, operation, SERVICES_VERSION) : undefined
      },
      encode: (request) => encodeRequest(kind, request),
      reply: decodeReply,
    },
    clock,
  )
}
