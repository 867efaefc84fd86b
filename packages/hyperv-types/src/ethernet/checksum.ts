/** Internet checksums (RFC 1071) over byte ranges. Partial sums are numbers below 2^53; `foldChecksum` makes 16 bits. */

/** Adds big-endian 16-bit words; an odd last byte counts as the high one. */
export function sumWords(bytes: Uint8Array, at: number, length: number, start = 0): number {
  let sum = start
  const end = at + (length & ~1)
  for (let i = at; i < end; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
  if ((length & 1) !== 0) sum += (bytes[end] ?? 0) << 8
  return sum
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
