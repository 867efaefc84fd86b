/** The 32-bit word that an answer or indication begins with; `otherwise` when there is none. */
export function readWord(data: Uint8Array, otherwise: number): number {
  if (data.length < 4) return otherwise
  return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true)
}

export function encodeWord(value: number): Uint8Array {
  const data = new Uint8Array(4)
  new DataView(data.buffer).setUint32(0, value, true)
  return data
}
