import type { Hypervisor, PageAllocator, PageRun } from '@bis/hyperv-types'
import { freebsdGuestOsId, hypercallMsr, Msr, postMessageInput } from '@bis/hyperv-types/hypervisor'
import { VmbusError } from '../errors.ts'

const POST_MESSAGE = 0x5c
const VMBUS_MESSAGE = 1
/** Bytes into the input page where the block of slow signals lies. */
const SIGNAL_BLOCK = 2048

/**
 * The way into the hypervisor: guest OS id, hypercall page, and one page for the input of hypercalls. All of it belongs
 * to processor 0's thread; a hypercall is over before anyone else gets to write its input.
 */
export class HypercallPage {
  readonly #hypervisor: Hypervisor
  readonly #pages: PageAllocator
  readonly #code: PageRun
  readonly #input: PageRun

  private constructor(hypervisor: Hypervisor, pages: PageAllocator, code: PageRun, input: PageRun) {
    this.#hypervisor = hypervisor
    this.#pages = pages
    this.#code = code
    this.#input = input
  }

  /**
   * Says who we are, then enables the page; in this order, because an id of 0 forbids the page.
   * @param osReleaseDate `__FreeBSD_version`
   * @throws VmbusError `not-usable` when the page stays disabled
   */
  static enable(hypervisor: Hypervisor, pages: PageAllocator, osReleaseDate: number): HypercallPage {
    const code = pages.allocate(1)
    let input: PageRun
    try {
      input = pages.allocate(1)
    } catch (error) {
      pages.free(code)
      throw error
    }
    const page = new HypercallPage(hypervisor, pages, code, input)
    try {
      hypervisor.writeMsr(0, Msr.GUEST_OS_ID, freebsdGuestOsId(osReleaseDate))
      const old = hypervisor.readMsr(0, Msr.HYPERCALL)
      const value = hypercallMsr.encode({ enable: 1, locked: 0, guest_physical_address: code.pfn }, old)
      hypervisor.writeMsr(0, Msr.HYPERCALL, value)
      if (hypercallMsr.decode(hypervisor.readMsr(0, Msr.HYPERCALL)).enable === 0) {
        throw new VmbusError('not-usable', 'the hypervisor did not enable the hypercall page')
      }
      return page
    } catch (error) {
      page.disable()
      throw error
    }
  }

  /** Where slow signals put their input: 8 bytes. */
  get signalBlock(): { readonly view: DataView; readonly gpa: number } {
    const { view, gpa } = this.#input
    return { view: new DataView(view.buffer, view.byteOffset + SIGNAL_BLOCK, 8), gpa: gpa + SIGNAL_BLOCK }
  }

  /** HvPostMessage with a VMBus message. The block is filled anew each time: the call may change it. @returns HV_STATUS */
  postMessage(connectionId: number, payload: Uint8Array): number {
    const block = { connectionid: connectionId, message_type: VMBUS_MESSAGE, payload_size: payload.length, payload }
    postMessageInput.encode(block, this.#input.view, 0)
    return this.#hypervisor.hypercall(0, POST_MESSAGE, this.#input.gpa, 0)
  }

  /** Takes everything back. The pages are free afterwards: the hypervisor has let go of them. */
  disable(): void {
    const value = hypercallMsr.encode(
      { enable: 0, locked: 0, guest_physical_address: 0 },
      this.#hypervisor.readMsr(0, Msr.HYPERCALL),
    )
    this.#hypervisor.writeMsr(0, Msr.HYPERCALL, value)
    this.#hypervisor.writeMsr(0, Msr.GUEST_OS_ID, 0n)
    this.#pages.free(this.#input)
    this.#pages.free(this.#code)
  }
}
