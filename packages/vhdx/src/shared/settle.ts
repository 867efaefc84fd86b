/** Waits for all, then throws the first failure: afterwards nothing reads or writes the caller's buffers any more. */
export async function settleAll(jobs: readonly Promise<void>[]): Promise<void> {
  if (jobs.length === 1) return jobs[0]
  const results = await Promise.allSettled(jobs)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
