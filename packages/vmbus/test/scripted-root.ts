import type { SynicPorts, SynicRoot } from '@bis/hyperv-types'
import { HvStatus } from '@bis/hyperv-types/hypervisor'
import type { ControlMessage, MessageInit, MessageName } from '@bis/hyperv-types/vmbus'
import {
  encodeControlMessage,
  parseControlMessage,
  VMBUS_MESSAGE_SINT,
  VMBUS_MESSAGE_TYPE,
  VmbusVersion,
} from '@bis/hyperv-types/vmbus'

/** One device that the root offers. */
export interface ScriptedOffer {
  readonly channelId: number
  readonly interfaceId?: string
  readonly instanceId?: string
  readonly subIndex?: number
  readonly monitorId?: number
  readonly dedicated?: boolean
  readonly mmioMegabytes?: number
  readonly flags?: number
}

/**
 * A root that says what a test tells it to: well-behaved by default, and able to be silent, wrong or hostile in any
 * single respect. It knows no rings; it speaks control messages over the real partition.
 */
export class ScriptedRoot implements SynicRoot {
  readonly received: ControlMessage[] = []
  readonly signals: { connectionId: number; flag: number; vp: number }[] = []
  /** Contacts by version, in order, with the connection id that they came to. */
  readonly contacts: { version: number; connectionId: number }[] = []
  /** Messages by their connection ids, contacts left out. */
  readonly connectionIds: number[] = []
  readonly offers: ScriptedOffer[] = []
  /** Kinds of messages that get no answer. */
  readonly mute = new Set<MessageName>()
  /** Status for the answers of these kinds. */
  readonly status = new Map<MessageName, number>()
  /** Statuses for the next posts, whatever they are. */
  readonly postStatus: number[] = []
  maxVersion: number = VmbusVersion.V5_3
  messageConnectionId = 1
  features = 0
  /** How the hypervisor treats contacts to connection 4 before 5.0: a status, or (a socket) nothing at all. */
  unknownPort: 'status' | 'silence' = 'status'
  targetVp = 0
  sint: number = VMBUS_MESSAGE_SINT
  version = 0
  readonly #unfinished = new Map<number, { child_relid: number; missing: number; status: number }>()
  readonly #ports: SynicPorts
  readonly #disconnect: () => void

  constructor(ports: SynicPorts) {
    this.#ports = ports
    this.#disconnect = ports.connect(this)
  }

  close(): void {
    this.#disconnect()
  }

  names(): MessageName[] {
    return this.received.map(({ name }) => name)
  }

  count(name: MessageName): number {
    return this.received.filter((message) => message.name === name).length
  }

  last<N extends MessageName>(name: N): ControlMessage<N> {
    const found = this.received.findLast((message) => message.name === name)
    if (found === undefined) throw new Error(`no ${name} was received`)
    return found as ControlMessage<N>
  }

  messagePosted(connectionId: number, _type: number, payload: Uint8Array): number {
    const scripted = this.postStatus.shift()
    if (scripted !== undefined && scripted !== 0) return scripted
    if (connectionId === 4 && this.maxVersion < VmbusVersion.V5_0) {
      return this.unknownPort === 'status' ? HvStatus.INVALID_CONNECTION_ID : HvStatus.SUCCESS
    }
    const message = parseControlMessage(payload)
    if (message.kind !== 'message') throw new Error(`the guest posted a ${message.kind} message`)
    this.received.push(message)
    if (message.name === 'INITIATE_CONTACT') {
      this.contacts.push({ version: message.body.vmbus_version_requested, connectionId })
    } else {
      this.connectionIds.push(connectionId)
    }
    if (!this.mute.has(message.name)) this.#answer(message)
    return HvStatus.SUCCESS
  }

  eventSignaled(connectionId: number, flag: number, vp: number): number {
    this.signals.push({ connectionId, flag, vp })
    return HvStatus.SUCCESS
  }

  partitionReset(): void {
    this.version = 0
  }

  send<N extends MessageName>(name: N, init: MessageInit<N>, vp = this.targetVp): void {
    this.sendBytes(encodeControlMessage(name, init, this.version || VmbusVersion.V5_3, this.features), vp)
  }

  sendBytes(payload: Uint8Array, vp = this.targetVp, type: number = VMBUS_MESSAGE_TYPE): void {
    this.#ports.postMessage(vp, this.sint, type, payload)
  }

  /** Sets a channel's event flag. */
  signal(channelId: number, vp = this.targetVp): void {
    this.#ports.signalEvent(vp, this.sint, channelId)
  }

  offer(offer: ScriptedOffer): void {
    this.send('OFFER_CHANNEL', {
      offer: {
        if_type: offer.interfaceId ?? '57164f39-9115-4e78-ab55-382f3bd5422d',
        if_instance: offer.instanceId ?? `00000000-0000-0000-0000-${offer.channelId.toString(16).padStart(12, '0')}`,
        chn_flags: offer.flags ?? 0,
        mmio_megabytes: offer.mmioMegabytes ?? 0,
        user_def: new Uint8Array(0),
        sub_channel_index: offer.subIndex ?? 0,
      },
      child_relid: offer.channelId,
      monitorid: offer.monitorId ?? 0,
      monitor: { monitor_allocated: offer.monitorId === undefined ? 0 : 1 },
      interrupt: { is_dedicated_interrupt: offer.dedicated === false ? 0 : 1 },
      connection_id: (0x2000 | offer.channelId) >>> 0,
    })
  }

  rescind(channelId: number): void {
    this.send('RESCIND_OFFER', { child_relid: channelId })
  }

  #finish(gpadl: number): void {
    const unfinished = this.#unfinished.get(gpadl)
    if (unfinished === undefined || unfinished.missing > 0) return
    this.#unfinished.delete(gpadl)
    this.send('GPADL_CREATED', { child_relid: unfinished.child_relid, gpadl, creation_status: unfinished.status })
  }

  #answer(message: ControlMessage): void {
    const status = this.status.get(message.name) ?? 0
    switch (message.name) {
      case 'INITIATE_CONTACT': {
        const version = message.body.vmbus_version_requested
        const supported = version <= this.maxVersion
        this.version = version
        this.targetVp = message.body.target_vcpu
        this.send('VERSION_RESPONSE', {
          version_supported: supported ? 1 : 0,
          connection_state: 0,
          msg_conn_id: version >= VmbusVersion.V5_0 ? this.messageConnectionId : version,
          supported_features: this.features & message.body.interrupt.target.feature_flags,
          monitor_page1: 0,
          monitor_page2: 0,
        })
        if (!supported) this.version = 0
        break
      }
      case 'REQUEST_OFFERS':
        for (const offer of this.offers) this.offer(offer)
        this.send('ALL_OFFERS_DELIVERED', {})
        break
      case 'GPADL_HEADER': {
        const { child_relid, gpadl, range_buflen, range } = message.body
        this.#unfinished.set(gpadl, { child_relid, missing: range_buflen - range.length, status })
        this.#finish(gpadl)
        break
      }
      case 'GPADL_BODY': {
        const unfinished = this.#unfinished.get(message.body.gpadl)
        if (unfinished === undefined) break
        unfinished.missing -= message.body.pfn.length
        this.#finish(message.body.gpadl)
        break
      }
      case 'GPADL_TEARDOWN':
        this.send('GPADL_TORNDOWN', { gpadl: message.body.gpadl })
        break
      case 'OPEN_CHANNEL':
        this.send('OPEN_RESULT', { child_relid: message.body.child_relid, openid: message.body.openid, status })
        break
      case 'MODIFY_CHANNEL':
        if (this.version >= VmbusVersion.V5_3) {
          this.send('MODIFY_CHANNEL_RESPONSE', { child_relid: message.body.child_relid, status })
        }
        break
      case 'UNLOAD':
        if (this.version >= VmbusVersion.V1_1) this.send('UNLOAD_RESPONSE', {})
        break
    }
  }
}
