/** Up to here a loop over bytes is faster in V8 than a bulk copy, which needs a view of its own. */
const LOOP_BYTES = 64

/**
 * Copies bytes between buffers that do not overlap. Short copies allocate nothing; within one buffer long ones neither;
 * otherwise a long copy costs one short-lived view.
 */
export function copyBytes(to: Uint8Array, toAt: number, from: Uint8Array, fromAt: number, length: number): void {
  if (length <= LOOP_BYTES) {
    for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] ?? 0
  } else if (to === from) {
    to.copyWithin(toAt, fromAt, fromAt + length)
  } else {
    to.set(from.subarray(fromAt, fromAt + length), toAt)
  }
}
