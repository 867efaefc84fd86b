import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Inputs of a random test that are worth keeping: each shows something of the tested code that none before it did. The
 * test runs them first, every time; BIS_FUZZ_KEEP=1 adds to the file what a run finds.
 */
export class Corpus {
  /** The inputs, as JSON keeps them. */
  inputs
  #path
  #seen = new Set()

  /** @param url of a file with one JSON value a line; it need not be there */
  constructor(url) {
    this.#path = fileURLToPath(url)
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : ''
    this.inputs = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  /** What an input showed. @returns whether any of it was new */
  note(input, features) {
    const before = this.#seen.size
    for (const feature of features) this.#seen.add(feature)
    if (this.#seen.size === before) return false
    const kept = JSON.stringify(input)
    if (process.env.BIS_FUZZ_KEEP !== undefined && !this.inputs.some((known) => JSON.stringify(known) === kept)) {
      mkdirSync(dirname(this.#path), { recursive: true })
      appendFileSync(this.#path, `${kept}\n`)
      this.inputs.push(input)
    }
    return true
  }

  /** Features seen so far. */
  get size() {
    return this.#seen.size
  }
}
