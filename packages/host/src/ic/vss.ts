import {
  IcMessageType,
  IcStatus,
  VSS_HBU_NO_AUTO_RECOVERY,
  VssOperation,
  vssCheckFeature,
  vssFreeze,
  vssHeader,
} from '@bis/hyperv-types/ic'
import { InstanceId, InterfaceId } from '@bis/hyperv-types/vmbus'
import { IcError } from './errors.ts'
import type { IcAnswer } from './ic-message.ts'
import type { IcKind, IcOptions } from './integration-component.ts'
import { IntegrationComponent } from './integration-component.ts'

export interface VssComponentOptions extends IcOptions {
  /** How long the host waits for a freeze, in ms; default 900,000. */
  readonly freezeMs?: number
  /** For everything else; default 30,000. */
  readonly otherMs?: number
}

const KIND: IcKind = {
  name: 'vss',
  title: 'VSS',
  interfaceId: InterfaceId.VSS,
  instanceId: InstanceId.VSS,
  messageType: IcMessageType.VSS,
}
const FREEZE_MS = 900_000
const OTHER_MS = 30_000

/** Has the guest hold still while its disks are copied. */
export class VssComponent extends IntegrationComponent {
  readonly #freezeMs: number
  readonly #otherMs: number
  /** The guest was told to freeze and has not been told to thaw. */
  #frozen = false

  constructor(options: VssComponentOptions) {
    super(KIND, options)
    this.#freezeMs = options.freezeMs ?? FREEZE_MS
    this.#otherMs = options.otherMs ?? OTHER_MS
  }

  /** The guest may be frozen: it was told to be, and not to thaw. */
  get frozen(): boolean {
    return this.#frozen
  }

  /** Whether the guest can make a hot backup now. @throws IcError as every request, not `refused` */
  async canBackUp(signal?: AbortSignal): Promise<boolean> {
    const { status, body } = await this.#ask('hot backup', VssOperation.HOT_BACKUP, vssCheckFeature.size, signal)
    if (status !== IcStatus.S_OK || body.length < vssHeader.size + vssCheckFeature.size) return false
    const flags = new DataView(body.buffer, body.byteOffset).getUint32(vssHeader.size, true)
    return (flags & VSS_HBU_NO_AUTO_RECOVERY) === VSS_HBU_NO_AUTO_RECOVERY
  }

  /** @throws IcError `refused`: the guest is not frozen then; and as every request */
  async freeze(signal?: AbortSignal): Promise<void> {
    this.#frozen = true
    const answer = await this.#ask('freeze', VssOperation.FREEZE, vssFreeze.size, signal)
    if (answer.status === IcStatus.S_OK) return
    this.#frozen = false
    throw refusal('freeze', answer)
  }

  /** @throws IcError `refused`, and as every request */
  async thaw(): Promise<void> {
    this.#frozen = false
    const answer = await this.#ask('thaw', VssOperation.THAW, vssCheckFeature.size)
    if (answer.status !== IcStatus.S_OK) throw refusal('thaw', answer)
  }

  /**
   * Runs `work` while the guest holds still. It is told to thaw whatever happens, also when it has not answered in time.
   * @throws IcError when the guest cannot, will not, or did not thaw; what `work` throws
   */
  async whileFrozen<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!(await this.canBackUp(signal))) throw new IcError('refused', 'the guest cannot make a backup now')
    try {
      await this.freeze(signal)
      const result = await work()
      await this.thaw()
      return result
    } finally {
      // Best effort: what went wrong first is what counts.
      if (this.#frozen) await this.thaw().catch(() => {})
    }
  }

  protected override down(): void {
    this.#frozen = false
  }

  #ask(what: string, operation: number, extra: number, signal?: AbortSignal): Promise<IcAnswer> {
    const body = new Uint8Array(vssHeader.size + extra)
    body[0] = operation
    const timeoutMs = operation === VssOperation.FREEZE ? this.#freezeMs : this.#otherMs
    return this.request(what, body, { timeoutMs, signal })
  }
}

function refusal(what: string, { status }: IcAnswer): IcError {
  return new IcError('refused', `the guest does not ${what}: status 0x${status.toString(16)}`, status)
}
