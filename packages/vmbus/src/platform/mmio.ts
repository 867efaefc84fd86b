import type { AddressRange, MmioRange, MmioRequest, MmioSpace } from '@bis/hyperv-types'

const FOUR_GIB = 2 ** 32
const DEFAULT_ALIGNMENT = 4096
/** Registers of the virtual TPM, which lie in the low window of every machine. */
const VTPM: AddressRange = { base: 0xfed4_0000, size: 0x5000 }

/**
 * The MMIO windows of the VMBus node, given out first fit. The firmware's framebuffer and the virtual TPM stay out of
 * every allocation; the framebuffer can be asked for by the driver of the display.
 * Source: Linux vmbus_drv.c (`vmbus_allocate_mmio`, `vmbus_reserve_fb`).
 */
export class MmioAllocator implements MmioSpace {
  readonly #windows: readonly AddressRange[]
  readonly #framebuffer: readonly AddressRange[]
  /** Ranges given out, in no order. */
  readonly #taken = new Set<AddressRange>()

  constructor(windows: readonly AddressRange[], framebuffer: AddressRange | undefined) {
    this.#windows = [...windows].sort((a, b) => a.base - b.base)
    this.#framebuffer = framebuffer === undefined ? [] : [framebuffer]
  }

  /** Bytes of the windows, whatever is given out. */
  get size(): number {
    return this.#windows.reduce((sum, { size }) => sum + size, 0)
  }

  /** Ranges given out now. */
  get taken(): readonly AddressRange[] {
    return [...this.#taken]
  }

  allocate(request: MmioRequest): MmioRange | undefined {
    const { size, alignment = DEFAULT_ALIGNMENT, from = 0, below = Number.MAX_SAFE_INTEGER } = request
    if (!Number.isSafeInteger(size) || size <= 0) throw new RangeError(`MMIO space of ${size} bytes`)
    if (!Number.isInteger(Math.log2(alignment)))
      throw new RangeError(`MMIO space aligned to ${alignment}: no power of two`)
    const high = this.#fit(request, alignment, Math.max(from, FOUR_GIB), below)
    const base = request.preferHigh === true && high !== undefined ? high : this.#fit(request, alignment, from, below)
    if (base === undefined) return undefined
    const range: AddressRange = { base, size }
    this.#taken.add(range)
    return { base, size, release: () => void this.#taken.delete(range) }
  }

  #fit({ size, framebuffer }: MmioRequest, alignment: number, from: number, below: number): number | undefined {
    const kept = [VTPM, ...(framebuffer === true ? [] : this.#framebuffer), ...this.#taken]
    for (const window of this.#windows) {
      const end = Math.min(window.base + window.size, below)
      let base = alignUp(Math.max(window.base, from), alignment)
      while (base + size <= end) {
        const obstacle = kept.find((other) => other.base < base + size && base < other.base + other.size)
        if (obstacle === undefined) return base
        base = alignUp(obstacle.base + obstacle.size, alignment)
      }
    }
    return undefined
  }
}

function alignUp(address: number, alignment: number): number {
  return Math.ceil(address / alignment) * alignment
}
