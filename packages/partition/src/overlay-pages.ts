import type { GuestMemory } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'

/** One page of the hypervisor laid over a page of the guest's memory. */
export interface Overlay {
  readonly gpa: number
  /** The page as the guest sees it. */
  readonly bytes: Uint8Array
}

interface Layer extends Overlay {
  /** What this layer hides: the guest's own bytes, or the layer below it. */
  hidden: Uint8Array
}

/**
 * The overlay pages of one partition. While a page is covered the guest finds the hypervisor's page there; uncovered,
 * it finds its own bytes again, unchanged. Nobody writes to a page through an overlay that has been removed.
 */
export class OverlayPages {
  readonly #memory: GuestMemory
  /** Layers by page, the visible one last. */
  readonly #layers = new Map<number, Layer[]>()

  constructor(memory: GuestMemory) {
    this.#memory = memory
  }

  /** Pages that are covered now. */
  get count(): number {
    return this.#layers.size
  }

  /** Whether a page can be laid over `gpa`: there is memory. */
  fits(gpa: number): boolean {
    return this.#memory.contains(gpa, PAGE_SIZE)
  }

  /**
   * Covers a page.
   * @param content what the guest finds there; the rest of the page is zero
   */
  cover(gpa: number, content: Uint8Array = new Uint8Array(0)): Overlay {
    const bytes = this.#memory.bytesAt(gpa, PAGE_SIZE)
    const layer: Layer = { gpa, bytes, hidden: bytes.slice() }
    bytes.fill(0)
    bytes.set(content)
    const layers = this.#layers.get(gpa)
    if (layers === undefined) this.#layers.set(gpa, [layer])
    else layers.push(layer)
    return layer
  }

  /** Uncovers a page; a second call for the same overlay does nothing. */
  uncover(overlay: Overlay): void {
    const layers = this.#layers.get(overlay.gpa)
    const index = layers?.findIndex(({ bytes }) => bytes === overlay.bytes) ?? -1
    const layer = layers?.[index]
    if (layers === undefined || layer === undefined) return
    const above = layers[index + 1]
    if (above === undefined) layer.bytes.set(layer.hidden)
    else above.hidden = layer.hidden
    layers.splice(index, 1)
    if (layers.length === 0) this.#layers.delete(overlay.gpa)
  }

  uncoverAll(): void {
    for (const layers of this.#layers.values()) {
      const lowest = layers[0]
      lowest?.bytes.set(lowest.hidden)
    }
    this.#layers.clear()
  }
}
