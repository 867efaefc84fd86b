import type { Clock, LinkState, Logger, Timer } from '@bis/hyperv-types'
import { RndisStatus } from '@bis/hyperv-types/network'
import { readWord } from '../rndis/word.ts'

/** A network change looks like a cable that was out for so long. */
const NETWORK_CHANGE_MS = 5000

export interface LinkOwner {
  readonly clock: Clock
  readonly log: Logger
  linkChanged(link: LinkState, cameUp: boolean): void
  /** The link is up again after the network behind it has become another one. */
  networkChanged(): void
}

/** The state of the link, as the host tells it. */
export class Link {
  readonly #owner: LinkOwner
  #state: LinkState = { up: false, speed: 0 }
  /** What the host said last, until it is looked at. */
  #told: boolean | undefined
  /** It said the opposite in between. */
  #bounced = false
  #networkChange: Timer | undefined

  constructor(owner: LinkOwner) {
    this.#owner = owner
  }

  get state(): LinkState {
    return this.#state
  }

  get up(): boolean {
    return this.#state.up
  }

  /** An RNDIS status, in a task of the bus: only takes note. Of a burst of link changes the last counts. */
  indicated(status: number, data: Uint8Array): void {
    switch (status) {
      case RndisStatus.MEDIA_CONNECT:
      case RndisStatus.MEDIA_DISCONNECT:
        this.#note(status === RndisStatus.MEDIA_CONNECT)
        return
      case RndisStatus.LINK_SPEED_CHANGE:
        if (data.length >= 4) this.set(this.up, readWord(data, 0) * 100)
        return
      case RndisStatus.NETWORK_CHANGE:
        this.#owner.log.log('debug', `network changed, change ${readWord(data, 0)}`)
        this.#changeNetwork()
        return
      default:
        return
    }
  }

  /** @param speed in bit/s */
  set(up: boolean, speed: number): void {
    const { up: was, speed: before } = this.#state
    if (up === was && speed === before) return
    this.#state = { up, speed }
    if (up !== was) this.#owner.log.log('info', `link state changed to ${up ? 'UP' : 'DOWN'}`)
    this.#owner.linkChanged(this.#state, up && !was)
  }

  /** Nothing changes any more by itself. */
  stop(): void {
    this.#told = undefined
    this.#bounced = false
    this.#networkChange?.cancel()
  }

  #note(up: boolean): void {
    if (this.#told === undefined) this.#owner.clock.soon(() => this.#apply())
    else if (this.#told !== up) this.#bounced = true
    this.#told = up
  }

  #apply(): void {
    const up = this.#told
    if (up === undefined) return
    this.#told = undefined
    // Whoever must renew a lease has to see that the link was down in between.
    if (this.#bounced && up === this.up) this.set(!up, this.#state.speed)
    this.#bounced = false
    this.set(up, this.#state.speed)
  }

  #changeNetwork(): void {
    this.#networkChange?.cancel()
    this.set(false, this.#state.speed)
    this.#networkChange = this.#owner.clock.after(NETWORK_CHANGE_MS, () => {
      this.#networkChange = undefined
      this.set(true, this.#state.speed)
      this.#owner.networkChanged()
    })
  }
}
