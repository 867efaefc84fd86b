/** Up to here a loop over bytes costs no more than the view that a bulk copy of part of an array needs. */
const LOOP_BYTES = 64
/** From here on a bulk copy of a whole array is faster than a loop. */
const WHOLE_BYTES = 24

/**
 * Copies bytes between buffers that do not overlap. Short copies allocate nothing, long ones neither from a whole array or
 * within one; otherwise a long copy costs one short-lived view. In shared memory V8 copies words where both addresses
 * have the same last three bits, and single bytes, eight times slower, where they have not.
 */
export function copyBytes(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length === from.length && length >= WHOLE_BYTES) {
    to.set(from, toAt)
  } else if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] ?? 0
  } else if (to === from) {
    to.copyWithin(toAt, fromAt, fromAt + length)
  } else {
    to.set(from.subarray(fromAt, fromAt + length), toAt)
  }
}

/**
 * Copies bytes between buffers that do not overlap, by words, at any alignment. Allocates nothing; for short copies the
 * fastest way, for those of more than some hundred bytes not.
 */
export function copyWords(to: DataView, toAt: number, from: DataView, fromAt: number, length: number): void {
  let i = 0
  for (; i + 16 <= length; i += 16) {
    to.setInt32(toAt + i, from.getInt32(fromAt + i, true), true)
    to.setInt32(toAt + i + 4, from.getInt32(fromAt + i + 4, true), true)
    to.setInt32(toAt + i + 8, from.getInt32(fromAt + i + 8, true), true)
    to.setInt32(toAt + i + 12, from.getInt32(fromAt + i + 12, true), true)
  }
  for (; i + 4 <= length; i += 4) to.setInt32(toAt + i, from.getInt32(fromAt + i, true), true)
  for (; i < length; i++) to.setUint8(toAt + i, from.getUint8(fromAt + i))
}
