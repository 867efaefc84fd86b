import { IcMessageType, IcStatus, SHUTDOWN_REASON_PLANNED, ShutdownFlag, shutdownMessage } from '@bis/hyperv-types/ic'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import { IcError } from './errors.ts'
import type { IcKind, IcOptions } from './integration-component.ts'
import { IntegrationComponent } from './integration-component.ts'

export type ShutdownAction = 'shutdown' | 'restart' | 'hibernate'

export interface ShutdownOrder {
  readonly action: ShutdownAction
  /** Whether programs of the guest that object count; default false. */
  readonly force?: boolean
  /** Text for the guest's users and log, at most 1023 UTF-16 units; longer text is cut. */
  readonly reason?: string
  /** SHTDN_REASON; default: planned, other. */
  readonly reasonCode?: number
  /** Seconds that the guest may give its users; default 0. */
  readonly timeoutSeconds?: number
  /** How long to wait for the guest's answer; default 30,000. */
  readonly answerMs?: number
  readonly signal?: AbortSignal
}

const KIND: IcKind = {
  name: 'shutdown',
  title: 'Shutdown',
  interfaceId: InterfaceId.SHUTDOWN,
  instanceId: InstanceId.SHUTDOWN,
  messageType: IcMessageType.SHUTDOWN,
}
const ANSWER_MS = 30_000
const LONGEST_TEXT = shutdownMessage.display_message.size / 2 - 1
const FLAGS: Readonly<Record<ShutdownAction, number>> = {
  shutdown: 0,
  restart: ShutdownFlag.RESTART,
  hibernate: ShutdownFlag.HIBERNATE,
}
/** The minor version of 3.x from which a guest knows the action. Which one brought which is inferred. */
const FIRST_MINOR: Readonly<Record<ShutdownAction, number>> = { shutdown: 0, restart: 1, hibernate: 2 }

/** Asks the guest to shut down, restart or hibernate. */
export class ShutdownComponent extends IntegrationComponent {
  constructor(options: IcOptions) {
    super(KIND, options)
  }

  /** Whether the guest's version has this action. */
  knows(action: ShutdownAction): boolean {
    const { version } = this
    if (version === undefined) return false
    return action === 'shutdown' || version.major > 3 || (version.major === 3 && version.minor >= FIRST_MINOR[action])
  }

  /**
   * Resolves when the guest has agreed; that it is done shows by its switching itself off.
   * @throws IcError `refused` with the guest's status, or when its version has no such action; `not-ready`, `timeout`,
   *   `gone`, `aborted`
   */
  async order(order: ShutdownOrder): Promise<void> {
    const { action, force = false, reason = '', reasonCode = SHUTDOWN_REASON_PLANNED, timeoutSeconds = 0 } = order
    if (this.version !== undefined && !this.knows(action)) {
      const { major, minor } = this.version
      throw new IcError('refused', `the guest's shutdown component, version ${major}.${minor}, cannot ${action}`)
    }
    const body = shutdownMessage.encode({
      reason_code: reasonCode,
      timeout_seconds: timeoutSeconds,
      flags: FLAGS[action] | (force ? ShutdownFlag.FORCE : 0),
      display_message: reason.slice(0, LONGEST_TEXT),
    })
    const timeoutMs = order.answerMs ?? ANSWER_MS
    const { status } = await this.request(action, body, { timeoutMs, signal: order.signal })
    if (status !== IcStatus.S_OK)
      throw new IcError('refused', `the guest refuses to ${action}: status 0x${status.toString(16)}`, status)
  }
}
