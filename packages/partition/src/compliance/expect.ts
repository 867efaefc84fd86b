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
export function holds(what: string, condition: boolean): void {
  if (!condition) throw new ComplianceError(what)
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Uint8Array ? [...part] : part)) ?? 'nothing'
}
