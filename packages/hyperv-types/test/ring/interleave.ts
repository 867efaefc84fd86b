/**
 * Runs sequential programs in every possible interleaving of their shared accesses. A program is real code whose shared
 * accesses go through `Port`; it is run from its beginning again and again, each time one access further, with the results
 * that its earlier accesses had. So nothing of it has to be rewritten as a model.
 */

/** One shared access: of a word, or of a doorbell. */
export type Access =
  | { readonly kind: 'load'; readonly word: number }
  | { readonly kind: 'store'; readonly word: number; readonly value: number }
  | { readonly kind: 'ring'; readonly bell: number }
  | { readonly kind: 'wait'; readonly bell: number }

const PAUSE = { pause: true }

/** Where a program's shared accesses go. */
export class Port {
  #log: readonly number[] = []
  #cursor = 0
  next: Access | undefined = undefined

  rewind(log: readonly number[]): void {
    this.#log = log
    this.#cursor = 0
    this.next = undefined
  }

  load(word: number): number {
    return this.#access({ kind: 'load', word })
  }

  store(word: number, value: number): void {
    this.#access({ kind: 'store', word, value })
  }

  ring(bell: number): void {
    this.#access({ kind: 'ring', bell })
  }

  /** Goes on once the doorbell has been rung. */
  wait(bell: number): void {
    this.#access({ kind: 'wait', bell })
  }

  #access(access: Access): number {
    const result = this.#log[this.#cursor]
    if (result !== undefined) {
      this.#cursor++
      return result
    }
    this.next = access
    throw PAUSE
  }
}

export interface Program {
  readonly port: Port
  /** Runs from the very beginning, touching nothing shared but through the port. */
  run(): void
}

interface State {
  readonly words: readonly number[]
  readonly bells: readonly boolean[]
  /** What each program's accesses gave so far. */
  readonly logs: readonly string[]
}

export interface Report {
  readonly states: number
  /** Where none of the programs could go on although not all had ended; undefined when there was no such state. */
  readonly stuck: State | undefined
}

/** @param bells whether each doorbell has been rung at the beginning */
export function explore(programs: readonly Program[], words: readonly number[], bells: readonly boolean[]): Report {
  const seen = new Set<string>()
  const open: State[] = [{ words, bells, logs: programs.map(() => '') }]
  const accesses = programs.map((program) => remembered((log) => nextAccess(program, log)))
  for (;;) {
    const state = open.pop()
    if (state === undefined) return { states: seen.size, stuck: undefined }
    const key = `${state.words}|${state.bells}|${state.logs.join('|')}`
    if (seen.has(key)) continue
    seen.add(key)
    let ended = 0
    let moved = 0
    accesses.forEach((accessAfter, i) => {
      const access = accessAfter(state.logs[i] ?? '')
      if (access === undefined) ended++
      else if (access.kind !== 'wait' || state.bells[access.bell]) {
        moved++
        open.push(after(state, i, access))
      }
    })
    if (moved === 0 && ended < programs.length) return { states: seen.size, stuck: state }
  }
}

function remembered<Result>(work: (key: string) => Result): (key: string) => Result {
  const known = new Map<string, Result>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined || known.has(key)) return found as Result
    const result = work(key)
    known.set(key, result)
    return result
  }
}

function nextAccess(program: Program, log: string): Access | undefined {
  program.port.rewind(log === '' ? [] : log.split(' ').map(Number))
  try {
    program.run()
    return undefined
  } catch (thrown) {
    if (thrown !== PAUSE) throw thrown
    return program.port.next
  }
}

function after(state: State, program: number, access: Access): State {
  const words = [...state.words]
  const bells = [...state.bells]
  let result = 0
  switch (access.kind) {
    case 'load':
      result = words[access.word] ?? 0
      break
    case 'store':
      words[access.word] = access.value
      break
    default:
      bells[access.bell] = access.kind === 'ring'
  }
  const logs = state.logs.map((log, i) => {
    if (i !== program) return log
    return log === '' ? `${result}` : `${log} ${result}`
  })
  return { words, bells, logs }
}
