/**
 * Runs one commit at a time; callers that arrive while one is running share the next.
 * So a caller's commit always begins after the call, and any number of flushes costs at most two commits.
 */
export class GroupCommit {
  readonly #commit: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(commit: () => Promise<void>) {
    this.#commit = commit
  }

  run(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    if (this.#running === undefined) return this.#start()
    this.#next = this.#running.then(this.#startNext, this.#startNext)
    return this.#next
  }

  #startNext = (): Promise<void> => {
    this.#next = undefined
    return this.#start()
  }

  #start(): Promise<void> {
    const done = this.#commit().finally(() => {
      if (this.#running === done) this.#running = undefined
    })
    this.#running = done
    return done
  }
}
