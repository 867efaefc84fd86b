import type { Backend } from '../backend.ts'
import { writeZeros } from '../shared/zeros.ts'
import type { Footer } from './footer.ts'
import { encodeFooter, FOOTER_BYTES } from './footer.ts'
import { chsGeometry } from './geometry.ts'

/** The one footer of a fixed image is at its end: at every moment there is a good one at the end of the file. */
export async function resizeFixedVhd(
  backend: Backend,
  footer: Footer,
  sizeBytes: number,
  before: number,
): Promise<void> {
  const fileSize = await backend.size()
  await backend.write(sizeBytes, encodeFooter({ ...footer, ...chsGeometry(sizeBytes), currentSize: sizeBytes }))
  await backend.flush()
  // The old footer, and whatever else lay past the old end, becomes part of the disk.
  const exposed = Math.min(fileSize, sizeBytes) - before
  if (exposed > 0) await writeZeros(backend, before, exposed)
  if (fileSize > sizeBytes + FOOTER_BYTES) await backend.truncate(sizeBytes + FOOTER_BYTES)
  await backend.flush()
}
