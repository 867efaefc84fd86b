/** A case did not hold. */
export class ComplianceError extends Error {
  override readonly name = 'ComplianceError'
}

/** @throws ComplianceError when the two are not the same, compared as text. */
export function same(what: string, actual: unknown, expected: unknown): void {
  const [a, b] = [text(actual), text(expected)]
  if (a !== b) throw new ComplianceError(`${what}: ${a} instead of ${b}`)
}

/** @throws ComplianceError when it does not hold. */
export function holds(what: string, condition: boolean): asserts condition {
  if (!condition) throw new ComplianceError(what)
}

/** Waits for a rejection. @throws ComplianceError when the promise is fulfilled, or rejected with another code */
export async function rejects(what: string, promise: Promise<unknown>, code: string): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const { name, code: found } = (error ?? {}) as { name?: string; code?: string }
  same(what, [name, found], ['ChannelError', code])
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Uint8Array ? [...part] : part)) ?? 'nothing'
}
