import { NvspDataPath, NvspMessageType } from '@bis/hyperv-types/network'
import type { PortClient } from '../../vswitch/switch-port.ts'

/** Steers a virtual function's traffic; see `VirtualFunction`. */
export interface VirtualFunctionClient extends PortClient {
  /** The guest, or the host, has moved the data path. */
  switched(active: boolean): void
}

export interface FunctionOwner {
  /** Tells the guest, in a notification of two words. */
  notify(type: number, first: number, second: number): void
  /** The switch's frames for the guest go to this client; undefined: to the synthetic adapter. */
  deliverTo(client: VirtualFunctionClient | undefined): void
}

/** A virtual function beside a synthetic adapter: whether the guest knows of it, and which of both carries its frames. */
export class FunctionPath {
  readonly #owner: FunctionOwner
  #assigned: { readonly serial: number; readonly client: VirtualFunctionClient } | undefined
  /** The guest was told of it. */
  #announced = false
  /** The guest's unicast goes by way of it. */
  #active = false

  constructor(owner: FunctionOwner) {
    this.#owner = owner
  }

  get active(): boolean {
    return this.#active
  }

  assign(serial: number, client: VirtualFunctionClient): void {
    this.#assigned = { serial, client }
  }

  /** Tells the guest that there is one, once. */
  announce(): void {
    if (this.#assigned === undefined || this.#announced) return
    this.#announced = true
    this.#owner.notify(NvspMessageType.SEND_VF_ASSOCIATION, 1, this.#assigned.serial)
  }

  /** Takes it away; the data path goes back first. */
  withdraw(): void {
    const gone = this.#assigned
    if (gone === undefined) return
    if (this.#active) {
      this.move(false)
      this.#owner.notify(NvspMessageType.SWITCH_DATA_PATH, NvspDataPath.SYNTHETIC, 0)
    }
    if (this.#announced) this.#owner.notify(NvspMessageType.SEND_VF_ASSOCIATION, 0, gone.serial)
    this.#announced = false
    this.#assigned = undefined
  }

  /** Moves the data path; to the function only when there is one. */
  move(toFunction: boolean): void {
    const assigned = this.#assigned
    const next = toFunction && assigned !== undefined
    if (next === this.#active) return
    this.#active = next
    this.#owner.deliverTo(next ? assigned?.client : undefined)
    assigned?.client.switched(next)
  }

  /** The guest is another one, and knows nothing. */
  forget(): void {
    this.#announced = false
    this.move(false)
  }
}
