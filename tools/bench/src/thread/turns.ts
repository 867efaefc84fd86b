import type { CProgram } from '../ring/c-program.ts'

const C_RING_BYTES = 256 * 1024

/** A figure that is taken again and again, in slices. */
export interface Turn {
  /** Runs a slice. @returns nanoseconds for one of what it counts */
  readonly slice: () => Promise<number> | number
  readonly times: number[]
}

/** Takes each figure so many times, one after the other, so that a noisy moment falls on all of them. */
export async function takeTurns(turns: readonly Turn[], slices: number): Promise<void> {
  for (let slice = slices; slice > 0; slice--) {
    for (const turn of turns) turn.times.push(await turn.slice())
  }
}

/** The C program's ring in one thread, to take turns with; undefined without the program. */
export function cRingTurn(
  c: CProgram | undefined,
  payloadBytes: number,
  rounds: number,
): (Turn & { close(): void }) | undefined {
  const run = c?.start('one', payloadBytes, rounds, C_RING_BYTES)
  return run === undefined ? undefined : { slice: () => run.slice(), times: [], close: () => run.close() }
}
