import {
  VMBUS_EVENT_CONNECTION_ID,
  VMBUS_MESSAGE_CONNECTION_ID,
  VMBUS_MESSAGE_CONNECTION_ID_4,
  VMBUS_MESSAGE_TYPE,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'
import type { Inbox } from './inbox.ts'
import type { OpenChannels } from './open-channels.ts'
import type { ServerLife } from './server-life.ts'
import type { VmbusServerOptions } from './server-options.ts'
import type { Counters } from './server-report.ts'

// HV_STATUS of the hypercalls that end here.
const SUCCESS = 0x00
const INVALID_CONNECTION_ID = 0x12
const INSUFFICIENT_BUFFERS = 0x13

/** The connection ids of one guest's hypercalls: what each leads to, and what is answered for those that lead nowhere. */
export class HypercallPorts {
  readonly #vmbusVersion: number
  /** A further port for messages. */
  readonly #messagePort: number | undefined
  readonly #inbox: Inbox
  readonly #open: OpenChannels
  readonly #counters: Counters
  readonly #life: ServerLife

  constructor(options: VmbusServerOptions, inbox: Inbox, open: OpenChannels, counters: Counters, life: ServerLife) {
    this.#vmbusVersion = options.release.vmbusVersion
    this.#messagePort = options.versions?.messageConnectionId
    this.#inbox = inbox
    this.#open = open
    this.#counters = counters
    this.#life = life
  }

  /** HvPostMessage. @returns its HV_STATUS */
  messagePosted(connectionId: number, messageType: number, payload: Uint8Array): number {
    if (!this.#isMessagePort(connectionId)) return this.#unknown()
    this.#counters.messagesReceived++
    if (messageType !== VMBUS_MESSAGE_TYPE) {
      this.#counters.violation('unknown-message')
      return SUCCESS
    }
    if (this.#inbox.put(payload)) return SUCCESS
    this.#counters.refusedMessages++
    return INSUFFICIENT_BUFFERS
  }

  /** HvSignalEvent. @returns its HV_STATUS */
  eventSignaled(connectionId: number, flag: number): number {
    this.#counters.signalsReceived++
    if (flag !== 0) return this.#unknown()
    if (connectionId === VMBUS_EVENT_CONNECTION_ID) return this.#open.sharedSignaled() ? SUCCESS : this.#unknown()
    // While channels are saved their ports are still there, and who restores them looks at every ring.
    return this.#open.signaled(connectionId) || this.#life.state === 'saving' ? SUCCESS : this.#unknown()
  }

  /** Hosts that do not speak 5.0 have no second port: guests take that as the answer to a newer contact. */
  #isMessagePort(connectionId: number): boolean {
    if (connectionId === VMBUS_MESSAGE_CONNECTION_ID || connectionId === this.#messagePort) return true
    return connectionId === VMBUS_MESSAGE_CONNECTION_ID_4 && this.#vmbusVersion >= VmbusVersion.V5_0
  }

  #unknown(): number {
    this.#counters.unknownConnections++
    return INVALID_CONNECTION_ID
  }
}
