import type { Tunables } from '@bis/hyperv-types'

const SUFFIX: Record<string, number> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const INTEGER = /^\s*([+-]?)(0x[0-9a-f]+|\d+)([kmgt]?)\s*$/i

/**
 * Reads an integer as the loader does: decimal, hexadecimal (0x) or octal (0), with an optional suffix k, m, g or t.
 * @returns undefined when the text is not such a number, or too large to be exact.
 */
export function parseTunable(text: string): number | undefined {
  const [, sign, digits, suffix] = INTEGER.exec(text) ?? []
  if (digits === undefined) return undefined
  const octal = /^0\d+$/.test(digits)
  if (octal && /[89]/.test(digits)) return undefined
  const value = (octal ? Number.parseInt(digits, 8) : Number(digits)) * (SUFFIX[suffix?.toLowerCase() ?? ''] ?? 1)
  if (!Number.isSafeInteger(value)) return undefined
  return sign === '-' ? -value : value
}

/** The kernel environment: tunables from a plain object, later ones (`kenv`) added at run time. */
export class KernelEnvironment implements Tunables {
  readonly #values: Map<string, string>

  constructor(values: Readonly<Record<string, string>> = {}) {
    this.#values = new Map(Object.entries(values))
  }

  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  getInt(name: string): number | undefined {
    const text = this.#values.get(name)
    return text === undefined ? undefined : parseTunable(text)
  }

  set(name: string, value: string): void {
    this.#values.set(name, value)
  }

  unset(name: string): void {
    this.#values.delete(name)
  }

  entries(): [string, string][] {
    return [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}
