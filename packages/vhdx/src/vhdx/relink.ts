import { DiskImageError } from '../errors.ts'
import { roundUp } from '../shared/bytes.ts'
import { sameBytes } from '../shared/guid.ts'
import type { VhdxImage } from './image.ts'
import { ITEMS, SECTOR } from './layout.ts'
import { ENTRIES, ENTRY_BYTES } from './metadata.ts'
import { decodeParentLocator, encodeParentLocator, KEYS } from './parent-locator.ts'

/**
 * Lets a child know its parent by its present name and a second one, before the parent gets that: so the child
 * stays good whether or not the parent was changed. The caller commits.
 */
export async function setLinkages(image: VhdxImage, now: string, next: string): Promise<void> {
  const { metadata, regions, pages } = image
  if (metadata.parentLocator === undefined) throw new DiskImageError('invalid-option', 'the image has no parent')
  const pairs = decodeParentLocator(metadata.parentLocator)
  pairs.set(KEYS.linkage, `{${now}}`)
  pairs.set(KEYS.linkage2, `{${next}}`)
  const bytes = encodeParentLocator(pairs)
  const end = metadata.items.reduce((most, item) => Math.max(most, item.offset + item.length), 0)
  // Behind everything there is; the old text stays until its place is needed.
  const offset = roundUp(end, 8)
  if (offset + bytes.length > regions.metadata.length) {
    throw new DiskImageError(
      'unsupported',
      `the metadata region of ${regions.metadata.length} bytes has no room for ${bytes.length} more`,
    )
  }
  await put(image, regions.metadata.offset + offset, bytes)
  const index = metadata.items.findIndex(({ guid, flags }) => (flags & 1) === 0 && sameBytes(guid, ITEMS.parentLocator))
  const entry = regions.metadata.offset + ENTRIES + index * ENTRY_BYTES
  const page = await pages.get(entry)
  page.view.setUint32(entry - page.offset + 16, offset, true)
  page.view.setUint32(entry - page.offset + 20, bytes.length, true)
  pages.changed(page, entry)
  metadata.items = metadata.items.map((item, i) => (i === index ? { ...item, offset, length: bytes.length } : item))
  metadata.parentLocator = bytes
}

async function put({ pages }: VhdxImage, place: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const page = await pages.get(place + done)
    const inSector = (place + done) % SECTOR
    const step = Math.min(bytes.length - done, SECTOR - inSector)
    page.bytes.set(bytes.subarray(done, done + step), place + done - page.offset)
    pages.changed(page, place + done)
    done += step
  }
}
