import type { PageAllocator, PageRun } from '@bis/hyperv-types'
import { INTERRUPT_PAGE_SEND_OFFSET } from '@bis/hyperv-types/vmbus'
import { EventFlags } from '../platform/event-flags.ts'

/** The pages that a connection shares with the host as a whole: interrupt page and both monitor pages. */
export class SharedPages {
  readonly interrupt: PageRun
  /** Host to guest; allocated because hosts want both, and read by no guest. */
  readonly monitorToGuest: PageRun
  readonly monitorToHost: PageRun
  /** The host's half of the interrupt page. */
  readonly receiveFlags: EventFlags
  /** The guest's half. */
  readonly sendWords: Int32Array
  readonly monitorWords: Int32Array
  readonly #pages: PageAllocator
  #shared = false

  constructor(pages: PageAllocator) {
    this.#pages = pages
    const runs: PageRun[] = []
    try {
      for (let i = 0; i < 3; i++) runs.push(pages.allocate(1))
    } catch (error) {
      for (const run of runs) pages.free(run)
      throw error
    }
    const [interrupt, monitorToGuest, monitorToHost] = runs as [PageRun, PageRun, PageRun]
    this.interrupt = interrupt
    this.monitorToGuest = monitorToGuest
    this.monitorToHost = monitorToHost
    this.receiveFlags = new EventFlags(interrupt.bytes.subarray(0, INTERRUPT_PAGE_SEND_OFFSET))
    this.sendWords = words(interrupt, INTERRUPT_PAGE_SEND_OFFSET)
    this.monitorWords = words(monitorToHost, 0)
  }

  /** Address of the guest's half of the interrupt page. */
  get sendGpa(): number {
    return this.interrupt.gpa + INTERRUPT_PAGE_SEND_OFFSET
  }

  /** The host learns of them with the first contact. */
  share(): void {
    if (this.#shared) return
    this.#shared = true
    for (const run of this.#runs) this.#pages.share(run)
  }

  /** The host has dropped the connection. */
  unshare(): void {
    if (!this.#shared) return
    this.#shared = false
    for (const run of this.#runs) this.#pages.unshare(run)
  }

  /** For a new connection: nothing of the old one is left in them. */
  clear(): void {
    for (const { bytes } of this.#runs) bytes.fill(0)
  }

  /** Gives the pages back; those that the host may still write to are held by the allocator. */
  free(): void {
    for (const run of this.#runs) this.#pages.free(run)
  }

  get #runs(): readonly PageRun[] {
    return [this.interrupt, this.monitorToGuest, this.monitorToHost]
  }
}

function words({ bytes }: PageRun, offset: number): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset + offset, (bytes.byteLength - offset) / 4)
}
