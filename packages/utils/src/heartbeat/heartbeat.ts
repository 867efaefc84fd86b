import type { Channel, Driver } from '@bis/hyperv-types'
import {
  HEARTBEAT_1_0,
  HEARTBEAT_3_0,
  HeartbeatApplicationState,
  heartbeatMessage,
  IC_BODY_OFFSET,
  IcMessageType,
  IcStatus,
} from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { icDriver } from '../ic/ic-driver.ts'
import type { IcRequest } from '../ic/ic-request.ts'

const { seq_num, application_state } = heartbeatMessage
const SEQUENCE_END = seq_num.offset + seq_num.size
const APPLICATION_STATE_END = application_state.offset + application_state.size
const STATE_NAMES = ['unknown', 'healthy', 'critical', 'stopped'] as const

/**
 * The heartbeat driver, `hvheartbeat0`. The application state goes back as the host sent it until one is set by
 * `dev.hvheartbeat.0.app_state` (`unknown`, `healthy`, `critical`, `stopped`; empty again for the host's).
 */
export function heartbeatDriver(): Driver<Channel> {
  return icDriver({
    name: 'hvheartbeat',
    description: 'Hyper-V Heartbeat',
    interfaceId: InterfaceId.HEARTBEAT,
    messageType: IcMessageType.HEARTBEAT,
    versions: [HEARTBEAT_3_0, HEARTBEAT_1_0],
    attach(device) {
      let state: number | undefined
      device.sysctl.leaf(
        'app_state',
        'application state told to the host',
        () => (state === undefined ? '' : (STATE_NAMES[state] ?? '')),
        (value) => {
          state = parseState(String(value))
        },
      )
      return { onRequest: (request) => answer(request, state) }
    },
  })
}

function answer(request: IcRequest, state: number | undefined): void {
  if (request.bodyLength < SEQUENCE_END) {
    request.respond(IcStatus.INVALID_ARGUMENT)
    return
  }
  const { view } = request
  seq_num.set(view, IC_BODY_OFFSET, seq_num.get(view, IC_BODY_OFFSET) + 1n)
  if (state !== undefined && request.version >= HEARTBEAT_3_0 && request.bodyLength >= APPLICATION_STATE_END)
    application_state.set(view, IC_BODY_OFFSET, state)
  request.respond()
}

function parseState(text: string): number | undefined {
  if (text === '') return undefined
  const state = (STATE_NAMES as readonly string[]).indexOf(text)
  if (state < HeartbeatApplicationState.UNKNOWN)
    throw new RangeError(`${JSON.stringify(text)}: choose ${STATE_NAMES.join(', ')}`)
  return state
}
