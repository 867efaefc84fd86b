import type { Logger } from '@bis/hyperv-types'
import { messageOf } from './errors.ts'

/** How to undo what was done, step by step and backwards. A step that fails does not keep the others from being undone. */
export class UndoList {
  readonly #log: Logger
  readonly #steps: (() => Promise<void> | void)[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  push(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** Resolves when all is undone. A second call finds nothing to do, and does not wait for the first. */
  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step()
      } catch (error) {
        this.#log.log('warning', `while stopping: ${messageOf(error)}`)
      }
    }
  }
}
