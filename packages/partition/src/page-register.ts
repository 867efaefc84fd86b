import { HypervisorFault, PAGE_SIZE } from '@bis/hyperv-types'
import type { Overlay, OverlayPages } from './overlay-pages.ts'

const ENABLE = 1n
const PAGE_SHIFT = 12n

/**
 * A register that lays a page of the hypervisor over the guest's memory: bit 0 enables it, bits 63:12 are the page
 * frame number. Bits 11:1 are kept as written; registers that refuse them check before.
 */
export class PageRegister {
  readonly #name: string
  readonly #overlays: OverlayPages
  readonly #content: () => Uint8Array
  #value = 0n
  #overlay: Overlay | undefined

  /** @param content what the page holds when it is laid over memory; an empty page by default */
  constructor(name: string, overlays: OverlayPages, content: () => Uint8Array = () => new Uint8Array(0)) {
    this.#name = name
    this.#overlays = overlays
    this.#content = content
  }

  get value(): bigint {
    return this.#value
  }

  /** The page while the register is enabled. */
  get page(): Uint8Array | undefined {
    return this.#overlay?.bytes
  }

  /** Where the page lies while the register is enabled. */
  get gpa(): number | undefined {
    return this.#overlay?.gpa
  }

  /** @throws HypervisorFault when there is no memory at the page. */
  write(value: bigint): void {
    const gpa = (value & ENABLE) === 0n ? undefined : Number(value >> PAGE_SHIFT) * PAGE_SIZE
    if (gpa !== undefined && !this.#overlays.fits(gpa)) {
      throw new HypervisorFault('general-protection', `${this.#name}: no memory at 0x${gpa.toString(16)}`)
    }
    if (gpa !== this.#overlay?.gpa) {
      if (this.#overlay !== undefined) this.#overlays.uncover(this.#overlay)
      this.#overlay = gpa === undefined ? undefined : this.#overlays.cover(gpa, this.#content())
    }
    this.#value = value
  }

  reset(): void {
    this.write(0n)
  }
}
