import type { Hypervisor, PageAllocator, PageRun } from '@bis/hyperv-types'
import { crashControl, Msr } from '@bis/hyperv-types/hypervisor'

/**
 * The crash registers. The page for the message is taken beforehand, as a crashing system allocates nothing; it holds the
 * text of the report and nothing else of the guest.
 * Source: Linux hv_common.c (`hyperv_report_panic_msg`).
 */
export class CrashReport {
  readonly #hypervisor: Hypervisor
  readonly #pages: PageAllocator
  readonly #page: PageRun

  constructor(hypervisor: Hypervisor, pages: PageAllocator) {
    this.#hypervisor = hypervisor
    this.#pages = pages
    this.#page = pages.allocate(1)
  }

  /** Commits a report. A text longer than a page is cut; a host that takes no text gets the fact alone. */
  commit(message: string): void {
    const hypervisor = this.#hypervisor
    const { crash_message } = crashControl.decode(hypervisor.readMsr(0, Msr.CRASH_CTL))
    const { bytes, gpa } = this.#page
    bytes.fill(0)
    const text = new TextEncoder().encode(message).subarray(0, bytes.length)
    bytes.set(text)
    const withText = crash_message === 1 && text.length > 0
    const parameters = [0n, 0n, 0n, withText ? BigInt(gpa) : 0n, withText ? BigInt(text.length) : 0n]
    for (const [index, value] of parameters.entries()) hypervisor.writeMsr(0, Msr.CRASH_P0 + index, value)
    const control = crashControl.encode({ crash_notify: 1, crash_message: withText ? 1 : 0 })
    hypervisor.writeMsr(0, Msr.CRASH_CTL, control)
  }

  free(): void {
    this.#pages.free(this.#page)
  }
}
