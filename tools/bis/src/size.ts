import { CliError } from './cli-error.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/**
 * Reads a size in bytes with an optional binary suffix k, m, g or t (`64m`, `1.5G`, `4GiB`).
 * @throws CliError `usage`.
 */
export function parseSize(text: string, what: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? []
  const bytes = Number(digits) * (UNITS[unit?.toLowerCase() ?? ''] ?? Number.NaN)
  if (!Number.isSafeInteger(bytes)) {
    throw new CliError(
      'usage',
      `${what} ${JSON.stringify(text)} is not a size; write bytes, or a number with k, m, g or t`,
    )
  }
  return bytes
}

/** A size for people: `64 MiB`, `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toFixed(2))} ${units[unit]}`
}
