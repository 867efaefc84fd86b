import { Sense } from './codes.ts'

/** Unit attentions that wait for a command to carry them, each at most once. */
export class UnitAttentions {
  readonly #pending: number[] = []

  get any(): boolean {
    return this.#pending.length > 0
  }

  raise(sense: number): void {
    if (!this.#pending.includes(sense)) this.#pending.push(sense)
  }

  /** Takes the oldest, or 0. A reset replaces what came before it. */
  take(): number {
    return this.#pending.shift() ?? Sense.none
  }

  reset(sense: number): void {
    this.#pending.length = 0
    this.#pending.push(sense)
  }
}
