/** What everything long takes. */
export interface TaskOptions {
  /** Stops the task between steps; it then rejects with the signal's reason and leaves valid images behind. */
  signal?: AbortSignal
  /** Told now and then how far the task is, in bytes or other units that only mean something beside the total. */
  onProgress?: (done: number, total: number) => void
}

/** Throws the signal's reason if it was aborted, and reports progress. */
export function step(options: TaskOptions, done: number, total: number): void {
  options.signal?.throwIfAborted()
  options.onProgress?.(done, total)
}
