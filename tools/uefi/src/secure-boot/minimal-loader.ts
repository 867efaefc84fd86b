const HEADERS = 512
const ALIGNMENT = 512
const PE = 64
const OPTIONAL_SIZE = 240

/** The smallest x86-64 UEFI application: one section that returns success. `payload` follows its code. */
export function minimalLoader(payload: Uint8Array = new Uint8Array()): Uint8Array {
  const code = Uint8Array.of(0x31, 0xc0, 0xc3) // xor eax, eax; ret
  const size = Math.ceil((code.length + payload.length) / ALIGNMENT) * ALIGNMENT
  const image = new Uint8Array(HEADERS + size)
  const view = new DataView(image.buffer)
  const optional = PE + 24
  const section = optional + OPTIONAL_SIZE
  image.set([0x4d, 0x5a])
  view.setUint32(60, PE, true)
  image.set([0x50, 0x45], PE)
  view.setUint16(PE + 4, 0x8664, true)
  view.setUint16(PE + 6, 1, true) // sections
  view.setUint16(PE + 20, OPTIONAL_SIZE, true)
  view.setUint16(PE + 22, 0x22, true) // executable, large addresses
  view.setUint16(optional, 0x20b, true)
  view.setUint32(optional + 4, size, true)
  view.setUint32(optional + 16, 0x1000, true) // entry
  view.setUint32(optional + 20, 0x1000, true)
  view.setUint32(optional + 32, 0x1000, true) // section alignment
  view.setUint32(optional + 36, ALIGNMENT, true)
  view.setUint32(optional + 56, 0x1000 + Math.ceil(size / 0x1000) * 0x1000, true)
  view.setUint32(optional + 60, HEADERS, true)
  view.setUint16(optional + 68, 10, true) // EFI application
  view.setUint32(optional + 108, 16, true) // data directories
  image.set(new TextEncoder().encode('.text'), section)
  view.setUint32(section + 8, code.length + payload.length, true)
  view.setUint32(section + 12, 0x1000, true)
  view.setUint32(section + 16, size, true)
  view.setUint32(section + 20, HEADERS, true)
  view.setUint32(section + 36, 0x6000_0020, true) // code, executable, readable
  image.set(code, HEADERS)
  image.set(payload, HEADERS + code.length)
  return image
}
