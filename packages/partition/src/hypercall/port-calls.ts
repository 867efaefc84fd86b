import type { SynicRoot } from '@bis/hyperv-types'
import {
  HV_CONNECTION_ID_MASK,
  HV_MESSAGE_PAYLOAD_BYTES,
  HvStatus,
  HypercallCode,
  PrivilegeHigh,
  postMessageInput,
  SynicMessageType,
  signalEventInput,
} from '@bis/hyperv-types/hypervisor'
import type { Hypercall } from './call.ts'

/** First message type that only the hypervisor may send. */
const FIRST_HYPERVISOR_MESSAGE = 0x8000_0000
const RESERVED_OFFSET = signalEventInput.reserved.offset

/** Where the guest's posts and signals go. */
export type PortTarget = Pick<SynicRoot, 'messagePosted' | 'eventSignaled'>

/** HvPostMessage and HvSignalEvent: what the guest sends to the root. */
export function portCalls(privilegesHigh: number, target: PortTarget): readonly Hypercall[] {
  const postMessage: Hypercall = {
    code: HypercallCode.POST_MESSAGE,
    name: 'HvPostMessage',
    inputBytes: postMessageInput.size,
    fast: false,
    allowed: (privilegesHigh & PrivilegeHigh.POST_MESSAGES) !== 0,
    execute(vp, { input, inputBytes }) {
      const type = postMessageInput.message_type.get(input, 0)
      const size = postMessageInput.payload_size.get(input, 0)
      const connectionId = postMessageInput.connectionid.get(input, 0)
      if (type === SynicMessageType.NONE || type >= FIRST_HYPERVISOR_MESSAGE) return HvStatus.INVALID_PARAMETER
      if (size > HV_MESSAGE_PAYLOAD_BYTES) return HvStatus.INVALID_PARAMETER
      if (connectionId > HV_CONNECTION_ID_MASK) return HvStatus.INVALID_CONNECTION_ID
      const start = postMessageInput.payload.offset
      const payload = inputBytes.subarray(start, start + size)
      return target.messagePosted(connectionId, type, payload, vp.index)
    },
  }
  const signalEvent: Hypercall = {
    code: HypercallCode.SIGNAL_EVENT,
    name: 'HvSignalEvent',
    inputBytes: signalEventInput.size,
    fast: true,
    allowed: (privilegesHigh & PrivilegeHigh.SIGNAL_EVENTS) !== 0,
    execute(vp, { input }) {
      const connectionId = signalEventInput.connectionid.get(input, 0)
      if (input.getUint16(RESERVED_OFFSET, true) !== 0) return HvStatus.INVALID_HYPERCALL_INPUT
      if (connectionId > HV_CONNECTION_ID_MASK) return HvStatus.INVALID_CONNECTION_ID
      const flag = signalEventInput.flag_number.get(input, 0)
      return target.eventSignaled(connectionId, flag, vp.index)
    },
  }
  return [postMessage, signalEvent]
}
