/** Size of a Hyper-V page in bytes, whatever the guest's own page size. */
export const PAGE_SIZE = 4096

/** Page frame number of a guest-physical address (an exact number below 2^53). */
export function pfnOf(gpa: number): number {
  return Math.floor(gpa / PAGE_SIZE)
}

/** Offset of a guest-physical address within its page. */
export function pageOffset(gpa: number): number {
  return gpa % PAGE_SIZE
}

/** Number of pages that `byteCount` bytes touch, the first of them at `byteOffset` into its page. */
export function pagesSpanned(byteOffset: number, byteCount: number): number {
  return byteCount === 0 ? 0 : Math.floor((byteOffset + byteCount - 1) / PAGE_SIZE) + 1
}

/** Rounds up to whole pages, in bytes. */
export function roundUpToPage(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
}

const TWO_32 = 0x1_0000_0000
/** Largest high word of a 64-bit number that stays exact as a JavaScript number. */
const MAX_HIGH = 0x1f_ffff

/**
 * Joins the two words of a 64-bit address or page number from the wire.
 * @returns the number, or -1 when it is 2^53 or more (no memory is there).
 */
export function joinWords(low: number, high: number): number {
  return high >>> 0 > MAX_HIGH ? -1 : (high >>> 0) * TWO_32 + (low >>> 0)
}

/** High word of an exact non-negative number; its low word is `value >>> 0`. */
export function highWord(value: number): number {
  return Math.floor(value / TWO_32)
}
