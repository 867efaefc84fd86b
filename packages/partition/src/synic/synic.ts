import type { PortDelivery } from '@bis/hyperv-types'
import { HypervisorFault } from '@bis/hyperv-types'
import { SINT_COUNT, scontrolMsr, sintRegister } from '@bis/hyperv-types/hypervisor'
import type { InterruptController } from '../interrupt-controller.ts'
import { FIRST_VECTOR } from '../interrupt-controller.ts'
import type { OverlayPages } from '../overlay-pages.ts'
import { PageRegister } from '../page-register.ts'
import { EventFlags } from './event-flags.ts'
import type { PendingMessage } from './message-queue.ts'
import { MessageQueue } from './message-queue.ts'
import { PageSlot } from './page-slot.ts'

/** Messages that may wait for one SINT of one virtual processor. */
const QUEUE_LIMIT = 4096

/** A root in another thread, which sets event flags by itself. */
export interface EventReach {
  /** @param sints bit n: it may set flags of SINT n */
  open(sints: number, eventFlagsPage: number): void
  /** It does not touch the page once this returns. */
  close(): void
}

/** What a SINT register holds after a reset. */
const MASKED = sintRegister.encode({ masked: 1 })

/**
 * The synthetic interrupt controller of one virtual processor: a message page, an event-flags page and 16 synthetic
 * interrupt sources. While the controller, a page or a SINT is off, messages wait and events are lost.
 */
export class Synic {
  readonly messagePage: PageRegister
  readonly eventFlagsPage: PageRegister
  readonly #interrupts: InterruptController
  readonly #queues: readonly MessageQueue[]
  #slots: readonly PageSlot[] | undefined
  #flags: EventFlags | undefined
  #control = 0n
  readonly #sints = new BigUint64Array(SINT_COUNT)
  // What the delivery path needs of the registers, as small numbers.
  #enabled = false
  readonly #vector = new Uint8Array(SINT_COUNT)
  readonly #masked = new Uint8Array(SINT_COUNT)
  readonly #autoEoi = new Uint8Array(SINT_COUNT)
  readonly #polling = new Uint8Array(SINT_COUNT)
  /** SINTs whose events a thread of the guest's takes. */
  #threaded = 0
  #reach: EventReach | undefined

  constructor(interrupts: InterruptController, overlays: OverlayPages) {
    this.#interrupts = interrupts
    this.messagePage = new PageRegister('SIMP', overlays)
    this.eventFlagsPage = new PageRegister('SIEFP', overlays)
    this.#queues = Array.from(
      { length: SINT_COUNT },
      (_, sint) => new MessageQueue(QUEUE_LIMIT, () => this.#raise(sint)),
    )
    this.#maskAll()
  }

  get control(): bigint {
    return this.#control
  }

  set control(value: bigint) {
    this.#control = value
    this.#enabled = scontrolMsr.decode(value).enable === 1
    this.#tellReach()
    this.endOfMessage()
  }

  sint(index: number): bigint {
    return this.#sints[index] ?? 0n
  }

  /** @throws HypervisorFault when an unmasked SINT has a vector below 16. */
  setSint(index: number, value: bigint): void {
    const { vector, masked, auto_eoi, polling } = sintRegister.decode(value)
    if (masked === 0 && vector < FIRST_VECTOR) {
      throw new HypervisorFault('general-protection', `SINT${index}: vector ${vector} is below ${FIRST_VECTOR}`)
    }
    this.#sints[index] = value
    this.#vector[index] = vector
    this.#masked[index] = masked
    this.#autoEoi[index] = auto_eoi
    this.#polling[index] = polling
    this.#tellReach()
    this.#flush(index)
  }

  setMessagePage(value: bigint): void {
    this.messagePage.write(value)
    const { page } = this.messagePage
    this.#slots = page && Array.from({ length: SINT_COUNT }, (_, sint) => new PageSlot(page, sint))
    this.endOfMessage()
  }

  setEventFlagsPage(value: bigint): void {
    this.#reach?.close()
    this.eventFlagsPage.write(value)
    const { page } = this.eventFlagsPage
    this.#flags = page && new EventFlags(page)
    this.#tellReach()
  }

  /** A thread of the guest's takes the events of a SINT: setting a flag wakes it, and no vector is raised. */
  enterThread(sint: number): void {
    this.#threaded |= 1 << sint
    this.#tellReach()
  }

  leaveThread(sint: number): void {
    this.#threaded &= ~(1 << sint)
    this.#tellReach()
    if (this.#flags?.any(sint) === true && this.#masked[sint] === 0) this.#raise(sint)
  }

  /** Lets a root in another thread set flags by itself as long as they are for a thread; undefined: no longer. */
  lendFlags(reach: EventReach | undefined): void {
    this.#reach?.close()
    this.#reach = reach
    this.#tellReach()
  }

  /** Queues a message for a SINT (0 to 15). */
  post(sint: number, message: PendingMessage): PortDelivery {
    return this.#queues[sint]?.post(message, this.#slot(sint)) ?? 'invalid'
  }

  /** Takes back a message that still waits. */
  withdraw(sint: number, message: PendingMessage): void {
    this.#queues[sint]?.remove(message)
  }

  /** Sets an event flag (0 to 2047) of a SINT (0 to 15) and raises the SINT if the flag was clear. */
  signal(sint: number, flag: number): PortDelivery {
    if (!this.#enabled || this.#flags === undefined || this.#masked[sint] !== 0) return 'masked'
    if (this.#flags.set(sint, flag) && ((this.#threaded >>> sint) & 1) === 0) this.#raise(sint)
    return 'delivered'
  }

  /** The guest wrote the end-of-message register: slots may be free. */
  endOfMessage(): void {
    for (let sint = 0; sint < SINT_COUNT; sint++) this.#flush(sint)
  }

  reset(): void {
    this.#reach?.close()
    this.#threaded = 0
    this.#control = 0n
    this.#enabled = false
    this.messagePage.reset()
    this.eventFlagsPage.reset()
    this.#slots = undefined
    this.#flags = undefined
    for (const queue of this.#queues) queue.clear()
    this.#maskAll()
  }

  #maskAll(): void {
    this.#sints.fill(MASKED)
    this.#vector.fill(0)
    this.#masked.fill(1)
    this.#autoEoi.fill(0)
    this.#polling.fill(0)
  }

  #tellReach(): void {
    // Flags that are being set while this changes are set when this returns.
    this.#reach?.close()
    const { gpa } = this.eventFlagsPage
    let sints = this.#enabled && gpa !== undefined ? this.#threaded : 0
    for (let sint = 0; sint < SINT_COUNT; sint++) if (this.#masked[sint] !== 0) sints &= ~(1 << sint)
    if (gpa !== undefined && sints !== 0) this.#reach?.open(sints, gpa)
  }

  /** The slot of a SINT while it can take messages. */
  #slot(sint: number): PageSlot | undefined {
    return this.#enabled && this.#masked[sint] === 0 ? this.#slots?.[sint] : undefined
  }

  #flush(sint: number): void {
    const queue = this.#queues[sint]
    if (queue === undefined || queue.length === 0) return
    const slot = this.#slot(sint)
    if (slot !== undefined) queue.flush(slot)
  }

  #raise(sint: number): void {
    const vector = this.#vector[sint] ?? 0
    if (this.#polling[sint] === 0) this.#interrupts.request(vector, this.#autoEoi[sint] !== 0)
  }
}
