import { asciiAt, KIB, putAscii, utf16, utf16At } from '../shared/bytes.ts'

/** File type identifier, [MS-VHDX] 2.2.1: the first 64 KiB, written once and never again. */

export const FILE_IDENTIFIER_BYTES = 64 * KIB
const SIGNATURE = 'vhdxfile'
const CREATOR_OFFSET = 8
const CREATOR_BYTES = 512

export function isVhdx(start: Uint8Array): boolean {
  return asciiAt(start, 0, SIGNATURE.length) === SIGNATURE
}

/** The program that made the image, as it named itself. */
export function creatorOf(start: Uint8Array): string {
  return utf16At(start, CREATOR_OFFSET, CREATOR_BYTES, true)
}

export function encodeFileIdentifier(creator: string): Uint8Array {
  const bytes = new Uint8Array(FILE_IDENTIFIER_BYTES)
  putAscii(bytes, 0, SIGNATURE)
  bytes.set(utf16(creator.slice(0, CREATOR_BYTES / 2 - 1), true), CREATOR_OFFSET)
  return bytes
}
