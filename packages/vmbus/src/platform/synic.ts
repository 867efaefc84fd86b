import type { Hypervisor, PageAllocator, PageRun } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import {
  EVENT_FLAGS_BYTES,
  Msr,
  SynicMessageType,
  scontrolMsr,
  siefpMsr,
  simpMsr,
  sintMsr,
  sintRegister,
  timerMessage,
} from '@bis/hyperv-types/hypervisor'
import { VMBUS_MESSAGE_SINT } from '@bis/hyperv-types/vmbus'
import { EventFlags } from './event-flags.ts'
import type { SlotMessage } from './message-slot.ts'
import { MessageSlot } from './message-slot.ts'

/** SINT of synthetic timers, as FreeBSD has it. */
export const TIMER_SINT = 4
/** The vector of both SINTs: FreeBSD allocates one for them at boot. */
export const SYNIC_VECTOR = 0xf3
const SINTS: readonly number[] = [VMBUS_MESSAGE_SINT, TIMER_SINT]

/** What a processor's interrupts bring. All are called in the interrupt; they take note and return. */
export interface SynicEvents {
  onMessage(cpu: number, message: SlotMessage): void
  onEventFlags(cpu: number, flags: EventFlags): void
  onTimer?(cpu: number, timer: number): void
}

export interface SynicOptions {
  readonly hypervisor: Hypervisor
  readonly pages: PageAllocator
  readonly events: SynicEvents
  readonly autoEoi: boolean
  /** The pages belong to a paravisor: used where they are, never allocated, never freed. */
  readonly hostOwnedPages: boolean
}

interface Overlay {
  readonly bytes: Uint8Array
  readonly pfn: number
  /** Undefined when the page is not ours. */
  readonly run: PageRun | undefined
}

/** The synthetic interrupt controller of one processor. Source: FreeBSD vmbus.c (`vmbus_synic_setup`, `_teardown`). */
export class ProcessorSynic {
  readonly cpu: number
  readonly vpIndex: number
  readonly flags: EventFlags
  readonly #options: SynicOptions
  readonly #messages: Overlay
  readonly #events: Overlay
  readonly #vmbusSlot: MessageSlot
  readonly #timerSlot: MessageSlot

  private constructor(options: SynicOptions, cpu: number, messages: Overlay, events: Overlay) {
    const { hypervisor } = options
    this.#options = options
    this.cpu = cpu
    this.vpIndex = Number(hypervisor.readMsr(cpu, Msr.VP_INDEX))
    this.#messages = messages
    this.#events = events
    const endOfMessage = (): void => hypervisor.writeMsr(cpu, Msr.EOM, 0n)
    this.#vmbusSlot = new MessageSlot(messages.bytes, VMBUS_MESSAGE_SINT, endOfMessage)
    this.#timerSlot = new MessageSlot(messages.bytes, TIMER_SINT, endOfMessage)
    this.flags = EventFlags.ofSint(events.bytes, VMBUS_MESSAGE_SINT)
  }

  /**
   * Message page, event-flags page, both SINTs, then the controller itself.
   * @throws MemoryError `exhausted`, HypervisorFault; nothing is left enabled or allocated then
   */
  static enable(options: SynicOptions, cpu: number): ProcessorSynic {
    const { hypervisor } = options
    const simp = simpMsr.decode(hypervisor.readMsr(cpu, Msr.SIMP))
    const siefp = siefpMsr.decode(hypervisor.readMsr(cpu, Msr.SIEFP))
    const messages = takePage(options, simp.simp_enabled, simp.base_simp_gpa)
    let events: Overlay | undefined
    try {
      events = takePage(options, siefp.siefp_enabled, siefp.base_siefp_gpa)
      const synic = new ProcessorSynic(options, cpu, messages, events)
      synic.#enable()
      return synic
    } catch (error) {
      releasePage(options, messages)
      if (events !== undefined) releasePage(options, events)
      throw error
    }
  }

  /**
   * Controller off, SINTs masked, pages off; then the pages are ours again.
   * @param flagsLost a thread still looks at the event flags: their page is never used again
   */
  disable(flagsLost = false): void {
    this.#off()
    releasePage(this.#options, this.#messages)
    if (flagsLost && this.#events.run !== undefined) this.#options.pages.leak(this.#events.run)
    else releasePage(this.#options, this.#events)
  }

  /** Where the processor's VMBus event flags lie. */
  get eventFlagsGpa(): number {
    return this.#events.pfn * PAGE_SIZE + VMBUS_MESSAGE_SINT * EVENT_FLAGS_BYTES
  }

  /** Looks at the message slot without an interrupt: for a processor that is stopped. */
  poll(): void {
    for (let message = this.#vmbusSlot.take(); message !== undefined; message = this.#vmbusSlot.take()) {
      this.#options.events.onMessage(this.cpu, message)
    }
  }

  #enable(): void {
    const { hypervisor, autoEoi } = this.#options
    const { cpu } = this
    hypervisor.setVector(cpu, SYNIC_VECTOR, () => this.#interrupt())
    try {
      this.#update(Msr.SIMP, (old) => simpMsr.encode({ simp_enabled: 1, base_simp_gpa: this.#messages.pfn }, old))
      this.#update(Msr.SIEFP, (old) => siefpMsr.encode({ siefp_enabled: 1, base_siefp_gpa: this.#events.pfn }, old))
      for (const sint of SINTS) {
        const value = { vector: SYNIC_VECTOR, masked: 0, auto_eoi: autoEoi ? 1 : 0, polling: 0 }
        this.#update(sintMsr(sint), (old) => sintRegister.encode(value, old))
      }
      this.#update(Msr.SCONTROL, (old) => scontrolMsr.encode({ enable: 1 }, old))
    } catch (error) {
      this.#off()
      throw error
    }
  }

  #off(): void {
    this.#update(Msr.SCONTROL, (old) => scontrolMsr.encode({ enable: 0 }, old))
    for (const sint of SINTS) this.#update(sintMsr(sint), (old) => sintRegister.encode({ masked: 1 }, old))
    if (!this.#options.hostOwnedPages) {
      this.#update(Msr.SIMP, (old) => simpMsr.encode({ simp_enabled: 0, base_simp_gpa: 0 }, old))
      this.#update(Msr.SIEFP, (old) => siefpMsr.encode({ siefp_enabled: 0, base_siefp_gpa: 0 }, old))
    }
    this.#options.hypervisor.setVector(this.cpu, SYNIC_VECTOR, undefined)
  }

  /** Timer, events, message: FreeBSD's order. */
  #interrupt(): void {
    const { events, autoEoi, hypervisor } = this.#options
    const timer = this.#timerSlot.take()
    if (
      timer !== undefined &&
      timer.type === SynicMessageType.TIMER_EXPIRED &&
      timerMessage.fits(timer.payload.length)
    ) {
      events.onTimer?.(this.cpu, timerMessage.decode(timer.payload).timer_index)
    }
    events.onEventFlags(this.cpu, this.flags)
    const message = this.#vmbusSlot.take()
    if (message !== undefined) events.onMessage(this.cpu, message)
    if (!autoEoi) hypervisor.writeMsr(this.cpu, Msr.EOI, 0n)
  }

  #update(msr: number, change: (old: bigint) => bigint): void {
    const { hypervisor } = this.#options
    hypervisor.writeMsr(this.cpu, msr, change(hypervisor.readMsr(this.cpu, msr)))
  }
}

function takePage({ pages, hypervisor, hostOwnedPages }: SynicOptions, enabled: number, pfn: number): Overlay {
  if (hostOwnedPages && enabled === 1)
    return { bytes: hypervisor.memory.bytesAt(pfn * PAGE_SIZE, PAGE_SIZE), pfn, run: undefined }
  const run = pages.allocate(1)
  return { bytes: run.bytes, pfn: run.pfn, run }
}

function releasePage({ pages }: SynicOptions, { run }: Overlay): void {
  if (run !== undefined) pages.free(run)
}
