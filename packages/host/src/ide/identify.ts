/** 512 bytes of an IDENTIFY answer, by words. */
export class IdentifyData {
  readonly bytes = new Uint8Array(512)
  readonly #view = new DataView(this.bytes.buffer)

  word(index: number, value: number): this {
    this.#view.setUint16(index * 2, value, true)
    return this
  }

  /** A number over two words (or four), the lowest first. */
  wide(index: number, words: number, value: number): this {
    for (let i = 0; i < words; i++) this.word(index + i, Math.floor(value / 2 ** (16 * i)) % 65_536)
    return this
  }

  /** Text, the bytes of each word swapped, filled up with spaces. */
  text(index: number, words: number, text: string): this {
    const padded = text.padEnd(words * 2, ' ')
    for (let i = 0; i < words; i++) {
      this.word(index + i, padded.charCodeAt(2 * i) * 256 + padded.charCodeAt(2 * i + 1))
    }
    return this
  }
}

export const HEADS = 16
export const SECTORS_PER_TRACK = 63

/**
 * Words of an emulated hard disk as Hyper-V has them, but for the DMA modes, which this controller does not have.
 * @param multiple sectors with one interrupt as SET MULTIPLE has them
 */
export function identifyDisk(sectors: number, channel: number, multiple: number): Uint8Array {
  const cylinders = Math.min(Math.floor(sectors / (HEADS * SECTORS_PER_TRACK)), 16_383)
  return new IdentifyData()
    .word(0, 0x045a)
    .word(1, cylinders)
    .word(3, HEADS)
    .word(6, SECTORS_PER_TRACK)
    .text(10, 10, '')
    .word(20, 3)
    .word(21, 0x80)
    .text(23, 4, `1.1.${channel}`)
    .text(27, 20, 'Virtual HD')
    .word(47, 0x8080)
    .word(49, 0x0e00)
    .word(51, 0x0200)
    .word(53, 3)
    .word(54, cylinders)
    .word(55, HEADS)
    .word(56, SECTORS_PER_TRACK)
    .wide(57, 2, cylinders * HEADS * SECTORS_PER_TRACK)
    .word(59, multiple === 0 ? 0 : 0x100 + multiple)
    .wide(60, 2, Math.min(sectors, 0x0fff_ffff))
    .word(64, 3)
    .word(67, 0x14d)
    .word(68, 0x78)
    .word(80, 0x01f0)
    .word(82, 0x28)
    .word(83, 0x7400)
    .word(84, 0x4040)
    .word(85, 0x28)
    .word(86, 0x3400)
    .word(87, 0x4040)
    .wide(100, 4, sectors)
    .word(106, 0x4000)
    .word(209, 0x4000).bytes
}

export function identifyOptical(): Uint8Array {
  return (
    new IdentifyData()
      .word(0, 0x85c0)
      .text(10, 10, '')
      .text(23, 4, '1.0')
      .text(27, 20, 'Msft Virtual CD/ROM')
      .word(49, 0x0e00)
      .word(53, 2)
      .word(64, 3)
      .word(67, 0x14d)
      .word(68, 0x78)
      .word(80, 0x01f0)
      // PACKET and DEVICE RESET.
      .word(82, 0x0210)
      .word(83, 0x4000)
      .word(84, 0x4000)
      .word(85, 0x0210)
      .word(87, 0x4000).bytes
  )
}
