import type { Hypervisor, PageAllocator, PageRun } from '@bis/hyperv-types'
import { Msr, referenceTscMsr, TSC_SEQUENCE_INVALID, tscPage } from '@bis/hyperv-types/hypervisor'

/** Reference time ticks in a second: one is 100 ns. */
export const TICKS_PER_SECOND = 10_000_000

/**
 * The partition's reference time. Reads the TSC page where there is one, without an exit, and the counter register while
 * the page must not be used.
 * Source: Linux hyperv_timer.h (`hv_read_tsc_page_tsc`), FreeBSD hyperv_machdep.c.
 */
export class ReferenceTime {
  readonly #hypervisor: Hypervisor
  readonly #pages: PageAllocator
  #page: PageRun | undefined
  #sequence: Int32Array | undefined

  constructor(hypervisor: Hypervisor, pages: PageAllocator) {
    this.#hypervisor = hypervisor
    this.#pages = pages
  }

  /** Whether time comes from the TSC page. */
  get usesTscPage(): boolean {
    return this.#page !== undefined
  }

  enableTscPage(): void {
    const page = this.#pages.allocate(1)
    try {
      const old = this.#hypervisor.readMsr(0, Msr.REFERENCE_TSC)
      this.#hypervisor.writeMsr(0, Msr.REFERENCE_TSC, referenceTscMsr.encode({ enable: 1, pfn: page.pfn }, old))
    } catch (error) {
      this.#pages.free(page)
      throw error
    }
    this.#page = page
    this.#sequence = new Int32Array(page.bytes.buffer, page.bytes.byteOffset, 1)
  }

  disable(): void {
    if (this.#page === undefined) return
    const old = this.#hypervisor.readMsr(0, Msr.REFERENCE_TSC)
    this.#hypervisor.writeMsr(0, Msr.REFERENCE_TSC, referenceTscMsr.encode({ enable: 0, pfn: 0 }, old))
    this.#pages.free(this.#page)
    this.#page = undefined
    this.#sequence = undefined
  }

  /** Now, in ticks of 100 ns since the partition was made; every 64-bit value is a legal one. */
  now(cpu = 0): bigint {
    return this.#fromTscPage(cpu) ?? this.#hypervisor.readMsr(cpu, Msr.TIME_REF_COUNT)
  }

  #fromTscPage(cpu: number): bigint | undefined {
    const page = this.#page
    const sequence = this.#sequence
    if (page === undefined || sequence === undefined) return undefined
    for (;;) {
      const before = Atomics.load(sequence, 0)
      if (before === TSC_SEQUENCE_INVALID) return undefined
      const scale = tscPage.tsc_scale.get(page.view, 0)
      const offset = tscPage.tsc_offset.get(page.view, 0)
      const tsc = this.#hypervisor.readTsc(cpu)
      if (Atomics.load(sequence, 0) === before) return ticksFromTsc(tsc, scale, offset)
    }
  }
}

/** ((tsc × scale) >> 64) + offset with the full 128-bit product, modulo 2^64. */
export function ticksFromTsc(tsc: bigint, scale: bigint, offset: bigint): bigint {
  return BigInt.asUintN(64, ((tsc * scale) >> 64n) + offset)
}
