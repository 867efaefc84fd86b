/**
 * The Toeplitz hash of receive-side scaling, bit by bit as its definition has it: for each bit of the input that is set, the
 * 32 bits of the key from there on are added without carry.
 */
export function toeplitz(key: Uint8Array, input: Uint8Array): number {
  const keyBit = (at: number): number => ((key[at >> 3] ?? 0) >> (7 - (at & 7))) & 1
  let hash = 0
  for (let bit = 0; bit < input.length * 8; bit++) {
    if ((((input[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 0) continue
    let window = 0
    for (let i = 0; i < 32; i++) window = (window << 1) | keyBit(bit + i)
    hash ^= window
  }
  return hash >>> 0
}
