/** Says how long each step of a job took. */
export class Steps {
  readonly #print: (line: string) => void
  readonly #start = performance.now()
  #last = this.#start

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  /** Ends a step begun when the one before ended. */
  done(what: string): void {
    const now = performance.now()
    this.#print(`-- ${what}: ${formatTime(now - this.#last)}`)
    this.#last = now
  }

  end(what: string): void {
    this.#print(`-- ${what}: ${formatTime(performance.now() - this.#start)} in all`)
  }
}

function formatTime(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(1)} ms` : `${(milliseconds / 1000).toFixed(2)} s`
}
