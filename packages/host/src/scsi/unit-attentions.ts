import type { SenseCode } from '@bis/hyperv-types/scsi'

/** Unit attentions that wait for a command to carry them, each at most once. */
export class UnitAttentions {
  readonly #pending: SenseCode[] = []

  get any(): boolean {
    return this.#pending.length > 0
  }

  raise(sense: SenseCode): void {
    if (!this.#pending.includes(sense)) this.#pending.push(sense)
  }

  /** Takes the oldest, if there is one. */
  take(): SenseCode | undefined {
    return this.#pending.shift()
  }

  /** Replaces what came before: after a reset nothing of it matters. */
  reset(sense: SenseCode): void {
    this.#pending.length = 0
    this.#pending.push(sense)
  }
}
