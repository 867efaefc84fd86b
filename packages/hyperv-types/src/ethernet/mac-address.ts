/** `00:15:5d:00:00:01` as six bytes; dashes and no separators are taken too. @throws RangeError */
export function parseMac(text: string): Uint8Array {
  const digits = text.replaceAll(/[:-]/g, '')
  if (!/^[0-9a-f]{12}$/i.test(digits)) throw new RangeError(`${text} is no MAC address such as 00:15:5d:00:00:01`)
  return Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16))
}

/** Six bytes as `00:15:5d:00:00:01`. */
export function formatMac(bytes: ArrayLike<number>, at = 0): string {
  return Array.from({ length: 6 }, (_, i) => (bytes[at + i] ?? 0).toString(16).padStart(2, '0')).join(':')
}

/** The six bytes as one exact number, for use as a key. */
export function macKey(bytes: ArrayLike<number>, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const low =
    ((bytes[at + 2] ?? 0) << 24) | ((bytes[at + 3] ?? 0) << 16) | ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0)
  return high * 0x1_0000_0000 + (low >>> 0)
}

/** Multicast or broadcast. */
export function isGroup(bytes: ArrayLike<number>, at: number): boolean {
  return ((bytes[at] ?? 0) & 1) !== 0
}

/** Key of ff:ff:ff:ff:ff:ff. */
export const BROADCAST_KEY = 0xffff_ffff_ffff
