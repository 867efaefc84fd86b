import { viewOf } from '../../src/shared/bytes.ts'
import { crc32c } from '../../src/shared/crc32c.ts'
import { vhdChecksum } from '../../src/vhd/footer.ts'

const KIB = 1024

/** Makes the checksums right again of an image whose fields were changed, so that the fields are looked at. */
export function reseal(image: Uint8Array): void {
  const view = viewOf(image)
  if (isText(image, 0, 'vhdxfile')) {
    for (const [offset, length] of [
      [64, 4],
      [128, 4],
      [192, 64],
      [256, 64],
    ] as const) {
      const part = image.subarray(offset * KIB, (offset + length) * KIB)
      view.setUint32(offset * KIB + 4, crc32c(part, 4), true)
    }
    return
  }
  const end = image.length - 512
  for (const [offset, length, hole] of [
    [0, 512, 0x40],
    [end, 512, 0x40],
    [512, 1024, 0x24],
  ] as const) {
    if (!isText(image, offset, 'conectix') && !isText(image, offset, 'cxsparse')) continue
    view.setUint32(offset + hole, vhdChecksum(image.subarray(offset, offset + length), hole))
  }
}

function isText(image: Uint8Array, offset: number, text: string): boolean {
  return [...text].every((character, i) => image[offset + i] === character.charCodeAt(0))
}
