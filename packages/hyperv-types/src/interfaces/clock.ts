/** A timer that was started and can be cancelled; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time and scheduling, injected everywhere, so that a test steps them and a seed repeats a run.
 * Tasks never run inside the call that schedules them.
 */
export interface Clock {
  /** Monotonic time in milliseconds, fractional; starts anywhere. */
  now(): number
  /** Time of day in milliseconds since 1970-01-01 UTC, fractional. */
  realtime(): number
  /** Calls `task` once, not earlier than `milliseconds` from now. */
  after(milliseconds: number, task: () => void): Timer
  /** Calls `task` when the running task has ended, before the event loop turns, in the order given. */
  soon(task: () => void): void
  /** Calls `task` after the event loop has had a turn: what a long drain uses to let others run. */
  later(task: () => void): void
}

/** Fills `target` with random bytes. */
export type RandomSource = (target: Uint8Array) => void
