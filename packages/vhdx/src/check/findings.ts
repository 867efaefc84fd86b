import { DiskImageError } from '../errors.ts'

/** What a check may find. Codes of `DiskImageError` occur too, when an image cannot be opened for that reason. */
export type FindingCode =
  | 'header-damaged'
  | 'region-table-damaged'
  | 'log-dirty'
  | 'bat-entry-invalid'
  | 'bat-stale-entry'
  | 'block-past-end'
  | 'block-short'
  | 'block-overlap'
  | 'partial-without-parent'
  | 'bitmap-missing'
  | 'bitmap-invalid'
  | 'leaked-space'
  | 'footer-missing'
  | 'footer-copy-damaged'
  | 'file-size'
  | 'parent-not-checked'
  | DiskImageError['code']

/**
 * - `error`: content is lost or wrong, or may be when the image is written to
 * - `warning`: nothing is lost, but a spare copy or a duty is missing
 * - `leak`: file space that nothing uses
 */
export type Severity = 'error' | 'warning' | 'leak'

export interface Finding {
  code: FindingCode
  severity: Severity
  /** The structure, and its offset in the file. */
  place: string
  message: string
  /** Whether `repair` can put it right without guessing. */
  repairable: boolean
  repaired: boolean
}

/** So many of one code are listed; the rest is counted. */
const MOST_OF_A_CODE = 50

export class Findings {
  readonly list: Finding[] = []
  readonly #count = new Map<FindingCode, number>()

  add(severity: Severity, code: FindingCode, place: string, message: string, repairable = false): void {
    const count = (this.#count.get(code) ?? 0) + 1
    this.#count.set(code, count)
    if (count <= MOST_OF_A_CODE) this.list.push({ code, severity, place, message, repairable, repaired: false })
  }

  /** An error that stopped the check, or a part of it. */
  addError(error: unknown, place: string): void {
    if (!(error instanceof DiskImageError)) throw error
    this.add('error', error.code, place, error.message)
  }

  has(severity: Severity): boolean {
    return this.list.some((finding) => finding.severity === severity)
  }

  repaired(...codes: FindingCode[]): void {
    for (const finding of this.list) if (codes.includes(finding.code) && finding.repairable) finding.repaired = true
  }

  wants(code: FindingCode): boolean {
    return this.list.some((finding) => finding.code === code && finding.repairable)
  }

  /** The list, with a line for each code of which there were more than are listed. */
  finish(): Finding[] {
    for (const [code, count] of this.#count) {
      const last = this.list.findLast((finding) => finding.code === code)
      if (count > MOST_OF_A_CODE && last !== undefined) {
        this.list.push({ ...last, place: 'further places', message: `and ${count - MOST_OF_A_CODE} more of this kind` })
      }
    }
    return this.list
  }
}
