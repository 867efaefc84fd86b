/** Up to here a loop over bytes is no slower in V8 than a bulk copy, which needs a view of its own. */
const LOOP_BYTES = 64

/**
 * Copies bytes between buffers that do not overlap. Short copies allocate nothing, long ones neither from a whole array or
 * within one; otherwise a long copy costs one short-lived view. In shared memory V8 copies words where both addresses
 * have the same last three bits, and single bytes, eight times slower, where they have not.
 */
export function copyBytes(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] ?? 0
  } else if (to === from) {
    to.copyWithin(toAt, fromAt, fromAt + length)
  } else if (length === from.length) {
    to.set(from, toAt)
  } else {
    to.set(from.subarray(fromAt, fromAt + length), toAt)
  }
}
