import type { ChannelStatistics } from '@bis/hyperv-types'
import type { ChannelRecord } from '../control/channel-record.ts'
import type { ViolationCause } from '../control/types.ts'
import type { OpenChannels } from './open-channels.ts'

/** A channel as the management sees it. */
export interface ChannelInfo {
  readonly interfaceId: string
  readonly instanceId: string
  readonly subIndex: number
  /** 0 while the guest does not know the channel. */
  readonly channelId: number
  readonly monitorId: number | undefined
  readonly client: 'unknown' | 'offered' | 'revoked'
  readonly device: 'closed' | 'opening' | 'open' | 'closing' | 'broken'
  readonly targetVp: number | undefined
  readonly gpadls: number
  /** Of an open channel. */
  readonly statistics: ChannelStatistics | undefined
}

/** Numbers that only grow, for tests and for the management. */
export interface ServerCounters {
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly signalsReceived: number
  /** Signals and messages to connection ids that no one has. */
  readonly unknownConnections: number
  /** Messages refused because too many were waiting. */
  readonly refusedMessages: number
  /** Messages to the guest that its SynIC did not take: it has too many waiting, or they name no processor. */
  readonly lostMessages: number
  /** The guest's messages that were dropped, by cause. */
  readonly violations: Readonly<Partial<Record<ViolationCause, number>>>
}

/** A server's counters, to count with. */
export class Counters implements ServerCounters {
  messagesReceived = 0
  messagesSent = 0
  signalsReceived = 0
  unknownConnections = 0
  refusedMessages = 0
  lostMessages = 0
  readonly violations: Partial<Record<ViolationCause, number>> = {}

  violation(cause: ViolationCause): void {
    this.violations[cause] = (this.violations[cause] ?? 0) + 1
  }

  snapshot(): ServerCounters {
    return { ...this, violations: { ...this.violations } }
  }
}

export function describeChannel(record: ChannelRecord, open: OpenChannels): ChannelInfo {
  const end = open.get(record)
  return {
    interfaceId: record.group.spec.interfaceId,
    instanceId: record.group.spec.instanceId,
    subIndex: record.subIndex,
    channelId: record.channelId,
    monitorId: record.monitorId,
    client: record.client,
    device: end?.isBroken === true ? 'broken' : record.device.at,
    targetVp: open.targetVp(record),
    gpadls: record.gpadls.size,
    statistics: end?.statistics,
  }
}
