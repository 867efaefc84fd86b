import type { SynicPorts } from '@bis/hyperv-types'
import { VMBUS_MESSAGE_TYPE } from '@bis/hyperv-types/vmbus'
import { ScriptedRoot } from './scripted-root.ts'

/** A root whose messages wait until a test lets them through: one by one, in whatever order, twice or not at all. */
export class DelayedRoot extends ScriptedRoot {
  /** While false, messages go at once. */
  delaying = false
  readonly #waiting: { payload: Uint8Array; vp: number; type: number }[] = []

  constructor(ports: SynicPorts) {
    super(ports)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  override sendBytes(payload: Uint8Array, vp = this.targetVp, type: number = VMBUS_MESSAGE_TYPE): void {
    if (this.delaying) this.#waiting.push({ payload, vp, type })
    else super.sendBytes(payload, vp, type)
  }

  /** Lets the message at this place of the queue through. */
  deliver(index = 0): void {
    const [message] = this.#waiting.splice(index, 1)
    if (message !== undefined) super.sendBytes(message.payload, message.vp, message.type)
  }

  repeat(index: number): void {
    const message = this.#waiting[index]
    if (message !== undefined) super.sendBytes(message.payload, message.vp, message.type)
  }

  drop(index: number): void {
    this.#waiting.splice(index, 1)
  }
}
