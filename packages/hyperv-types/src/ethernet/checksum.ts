/** Internet checksums (RFC 1071) over byte ranges. Partial sums are numbers below 2^53; `foldChecksum` makes 16 bits. */

/** From here on words of 32 bits pay, although they need a view. */
const WIDE_BYTES = 256
const STEP_BYTES = 16
const views = new WeakMap<Uint8Array, DataView>()

/** Adds big-endian 16-bit words; an odd last byte counts as the high one. */
export function sumWords(bytes: Uint8Array, at: number, length: number, start = 0): number {
  let sum = start
  let from = at
  if (length >= WIDE_BYTES && at + length <= bytes.length) {
    const wide = length - (length % STEP_BYTES)
    sum += sumWide(viewOf(bytes), at, wide)
    from += wide
  }
  const end = at + (length & ~1)
  for (; from < end; from += 2) sum += ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0)
  if ((length & 1) !== 0) sum += (bytes[end] ?? 0) << 8
  return sum
}

/** Words of 32 bits: folded, they count as the two of 16 that they are made of. */
function sumWide(view: DataView, at: number, length: number): number {
  let sum = 0
  for (let i = at; i < at + length; i += STEP_BYTES) {
    sum += view.getUint32(i) + view.getUint32(i + 4) + view.getUint32(i + 8) + view.getUint32(i + 12)
  }
  return sum
}

function viewOf(bytes: Uint8Array): DataView {
  let view = views.get(bytes)
  if (view === undefined) {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    views.set(bytes, view)
  }
  return view
}

/** The sum in 16 bits, not complemented. */
export function foldSum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded % 0x1_0000)
  return folded
}

/** The checksum that goes into a header. */
export function foldChecksum(sum: number): number {
  return ~foldSum(sum) & 0xffff
}

/** Sum of an IPv4 or IPv6 pseudo header; `at` is where the IP header begins. */
export function pseudoHeaderSum(bytes: Uint8Array, at: number, protocol: number, length: number): number {
  const version = (bytes[at] ?? 0) >> 4
  const addresses = version === 4 ? sumWords(bytes, at + 12, 8) : sumWords(bytes, at + 8, 32)
  return addresses + protocol + Math.floor(length / 0x1_0000) + (length % 0x1_0000)
}
