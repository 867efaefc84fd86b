import type { Burst } from './burst.ts'
import { MacTable } from './mac-table.ts'
import type { SwitchPort } from './switch-port.ts'

/** Behind which port an address is: a guest's is assigned with its port, those outside are learned. */
export class Addresses {
  readonly #assigned = new MacTable()
  readonly #learned = new MacTable()
  readonly #burst: Burst

  /** @param burst what tells the time */
  constructor(burst: Burst) {
    this.#burst = burst
  }

  /** The port's own address, in place of one that it had before. */
  assign({ id, address }: SwitchPort): void {
    this.#assigned.forget(id)
    // One look-up serves all VLANs: which ones reach the port is its own rule.
    if (address !== undefined) this.#assigned.learn(address, 0, 0, id, 0)
  }

  learn(bytes: Uint8Array, at: number, vlan: number, port: number): void {
    this.#learned.learn(bytes, at, vlan, port, this.#burst.seconds())
  }

  /** @returns the port's number, or 0 when it is not known */
  find(bytes: Uint8Array, at: number, vlan: number): number {
    const assigned = this.#assigned.find(bytes, at, 0, 0)
    return assigned === 0 ? this.#learned.find(bytes, at, vlan, this.#burst.seconds()) : assigned
  }

  forget(port: number): void {
    this.#assigned.forget(port)
    this.#learned.forget(port)
  }
}
