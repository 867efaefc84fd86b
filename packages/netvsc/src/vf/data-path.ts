import type { EthernetInterface, Logger } from '@bis/hyperv-types'
import { macKey } from '@bis/hyperv-types/ethernet'

/** A virtual function as the PCI side of the guest registers it. Users see it as part of its synthetic interface. */
export interface VirtualFunctionInterface extends EthernetInterface {
  /** Serial number of its slot, as the host announces it. */
  readonly serial: number
}

export function isVirtualFunction(item: EthernetInterface): item is VirtualFunctionInterface {
  return 'serial' in item && typeof item.serial === 'number'
}

export interface DataPathOwner {
  readonly log: Logger
  /** Asks the host; resolves when it has moved. */
  switchDataPath(toFunction: boolean): Promise<void>
  /** The path in use has changed. */
  moved(path: 'synthetic' | 'virtual-function'): void
}

/**
 * Pairs a synthetic interface with its virtual function and moves the data path. The function carries frames only from
 * the host's word that it has switched to it until a switch back begins. Both facts, the host's association and the
 * function's arrival, may come in any order, and go in any.
 */
export class DataPathSwitch {
  readonly #owner: DataPathOwner
  #serial: number | undefined
  readonly #arrived = new Set<VirtualFunctionInterface>()
  #active: VirtualFunctionInterface | undefined
  #enabled = true
  #turn: Promise<void> = Promise.resolve()
  /** What the host was last asked for. */
  #asked = false
  switches = 0
  /** The synthetic interface's own. */
  address: Uint8Array = new Uint8Array(6)

  constructor(owner: DataPathOwner) {
    this.#owner = owner
  }

  /** The function that carries frames now. */
  get active(): VirtualFunctionInterface | undefined {
    return this.#active
  }

  /** The function that belongs to this interface, active or not. */
  get paired(): VirtualFunctionInterface | undefined {
    if (this.#serial === undefined) return undefined
    const key = macKey(this.address, 0)
    for (const candidate of this.#arrived) {
      const { serial, settings } = candidate
      if (serial === this.#serial && macKey(settings.address, 0) === key) return candidate
    }
    return undefined
  }

  associated(allocated: boolean, serial: number): void {
    this.#owner.log.log('info', `VF slot ${serial} ${allocated ? 'added' : 'removed'}`)
    this.#serial = allocated ? serial : undefined
    this.#review()
  }

  arrived(candidate: VirtualFunctionInterface): void {
    this.#arrived.add(candidate)
    this.#review()
  }

  departed(candidate: VirtualFunctionInterface): void {
    this.#arrived.delete(candidate)
    this.#review()
  }

  /** The host took the path back on its own. */
  hostMoved(toFunction: boolean): void {
    if (toFunction) return
    this.#asked = false
    this.#deactivate()
  }

  /** Off while the device is suspended or started again: the host forgets the switch when the channel closes. */
  enable(enabled: boolean): Promise<void> {
    this.#enabled = enabled
    if (!enabled) {
      this.#asked = false
      this.#serial = undefined
      this.#deactivate()
    }
    this.#review()
    return this.#turn
  }

  /** Resolves when nothing is left to be done. */
  settled(): Promise<void> {
    return this.#turn
  }

  /** Stops using a function that is going at once; the host is told in its turn. */
  #review(): void {
    if (this.#active !== undefined && this.#active !== this.paired) this.#deactivate()
    this.#turn = this.#turn.then(() => this.#follow())
  }

  async #follow(): Promise<void> {
    const target = this.#enabled ? this.paired : undefined
    const wanted = target !== undefined
    if (!this.#enabled || (wanted === this.#asked && (!wanted || this.#active === target))) return
    try {
      if (wanted && !target.settings.up) await target.configure({ up: true })
      this.#asked = wanted
      this.switches++
      await this.#owner.switchDataPath(wanted)
    } catch (error) {
      this.#asked = false
      this.#deactivate()
      this.#owner.log.log(
        'warning',
        `data path not switched: ${error instanceof Error ? error.message : String(error)}`,
      )
      return
    }
    // It may have gone, or the host may have taken it back, while the host worked.
    if (!wanted || !this.#asked || this.paired !== target) return
    this.#active = target
    this.#owner.log.log('info', `Data path switched to VF: ${target.name}`)
    this.#owner.moved('virtual-function')
  }

  #deactivate(): void {
    const was = this.#active
    if (was === undefined) return
    this.#active = undefined
    this.#owner.log.log('info', `Data path switched from VF: ${was.name}`)
    this.#owner.moved('synthetic')
  }
}
