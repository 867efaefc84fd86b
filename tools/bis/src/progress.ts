/** Shows how far a long task is on the terminal's error stream; on anything else it shows nothing. */
export class Progress {
  readonly #what: string
  readonly #visible = process.stderr.isTTY === true
  #shown = ''

  constructor(what: string) {
    this.#what = what
  }

  readonly update = (done: number, total: number): void => {
    if (!this.#visible || total <= 0) return
    const line = `${this.#what}: ${Math.min(100, Math.floor((done / total) * 100))} %`
    if (line === this.#shown) return
    this.#shown = line
    process.stderr.write(`\r${line}`)
  }

  end(): void {
    if (this.#shown !== '') process.stderr.write(`\r${' '.repeat(this.#shown.length)}\r`)
  }
}

/** Runs a task with its progress shown, and takes the line away when it ends. */
export async function withProgress<T>(what: string, task: (update: Progress['update']) => Promise<T>): Promise<T> {
  const progress = new Progress(what)
  try {
    return await task(progress.update)
  } finally {
    progress.end()
  }
}
