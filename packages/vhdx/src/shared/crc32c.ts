/** CRC-32C (Castagnoli), reflected, as VHDX uses it; eight bytes a step from eight tables. */

const POLYNOMIAL = 0x82f63b78
const tables = Array.from({ length: 8 }, () => new Uint32Array(256))
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
]

for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  t0[byte] = crc
}
for (let table = 1; table < 8; table++) {
  const previous = tables[table - 1] as Uint32Array
  const own = tables[table] as Uint32Array
  for (let byte = 0; byte < 256; byte++) {
    const crc = previous[byte] as number
    own[byte] = (crc >>> 8) ^ (t0[crc & 0xff] as number)
  }
}

/**
 * Checksum of `bytes`, the four bytes at `hole` counted as zero when given.
 * `crc32c` of the ASCII digits 1–9 is 0xe3069283.
 */
export function crc32c(bytes: Uint8Array, hole = -1): number {
  let crc = 0xffffffff
  if (hole >= 0) {
    crc = extend(crc, bytes, 0, hole)
    crc = extend(crc, ZEROS, 0, 4)
    crc = extend(crc, bytes, hole + 4, bytes.length)
  } else {
    crc = extend(crc, bytes, 0, bytes.length)
  }
  return ~crc >>> 0
}

const ZEROS = new Uint8Array(4)

function extend(crc: number, bytes: Uint8Array, start: number, end: number): number {
  let i = start
  const whole = end - 8
  for (; i <= whole; i += 8) {
    const a = crc ^ (u8(bytes, i) | (u8(bytes, i + 1) << 8) | (u8(bytes, i + 2) << 16) | (u8(bytes, i + 3) << 24))
    crc =
      u32(t7, a & 0xff) ^
      u32(t6, (a >>> 8) & 0xff) ^
      u32(t5, (a >>> 16) & 0xff) ^
      u32(t4, a >>> 24) ^
      u32(t3, u8(bytes, i + 4)) ^
      u32(t2, u8(bytes, i + 5)) ^
      u32(t1, u8(bytes, i + 6)) ^
      u32(t0, u8(bytes, i + 7))
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ u32(t0, (crc ^ u8(bytes, i)) & 0xff)
  return crc
}

// Indices are in range by construction; the assertions keep the inner loop free of checks.
function u8(bytes: Uint8Array, i: number): number {
  return bytes[i] as number
}

function u32(table: Uint32Array, i: number): number {
  return table[i] as number
}
