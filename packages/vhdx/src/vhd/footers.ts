import type { Backend } from '../backend.ts'
import { ZEROS } from '../shared/zeros.ts'
import type { Footer } from './footer.ts'
import { encodeFooter, FOOTER_BYTES } from './footer.ts'
import type { Chs } from './geometry.ts'
import { chsGeometry } from './geometry.ts'
import type { FoundFooter } from './image.ts'

/** The footer at the end of the file, which counts, and its copy at the start: one of the two is whole at any moment. */
export class Footers {
  readonly #backend: Backend
  readonly #found: FoundFooter
  #footer: Footer

  constructor(backend: Backend, found: FoundFooter) {
    this.#backend = backend
    this.#found = found
    this.#footer = found.footer
  }

  get footer(): Footer {
    return this.#footer
  }

  /** Cylinders, heads and sectors as the footer has them. */
  get geometry(): Chs {
    const { cylinders, heads, sectorsPerTrack } = this.#footer
    return { cylinders, heads, sectorsPerTrack }
  }

  /** Before the first change: makes both good, the one at the end right behind what else is in the file. */
  async settle(end: number): Promise<void> {
    const { startIsGood, source, endBytes } = this.#found
    const backend = this.#backend
    // From here on the copy at the start may be the only good one for a while.
    if (!startIsGood) {
      await backend.write(0, encodeFooter(this.#footer))
      await backend.flush()
    }
    const size = await backend.size()
    if (size === end + FOOTER_BYTES && source === 'end' && endBytes === FOOTER_BYTES) return
    await backend.truncate(end)
    await backend.write(end, encodeFooter(this.#footer))
    await backend.flush()
  }

  /** The file has another size. Where the footer was, blocks come now: they count on zeros. */
  async move(size: number, previousSize: number): Promise<void> {
    await this.#backend.write(size - FOOTER_BYTES, encodeFooter(this.#footer))
    if (size > previousSize) await this.#backend.write(previousSize - FOOTER_BYTES, ZEROS.subarray(0, FOOTER_BYTES))
  }

  /** Gives the disk another size. While the footer at the end is not whole, the copy counts. */
  async setDiskSize(sizeBytes: number, fileSize: number): Promise<void> {
    const footer = { ...this.#footer, ...chsGeometry(sizeBytes), currentSize: sizeBytes }
    await this.#backend.write(0, encodeFooter(footer))
    await this.#backend.flush()
    await this.#backend.write(fileSize - FOOTER_BYTES, encodeFooter(footer))
    await this.#backend.flush()
    this.#footer = footer
  }
}
