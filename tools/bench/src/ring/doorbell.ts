/** Wakes who waits on this word, or who waits next. */
export function ring(bells: Int32Array, bell: number): void {
  Atomics.store(bells, bell, 1)
  Atomics.notify(bells, bell)
}

/** Blocks the thread until the doorbell has been rung. */
export function wait(bells: Int32Array, bell: number): void {
  while (Atomics.exchange(bells, bell, 0) === 0) Atomics.wait(bells, bell, 0)
}
