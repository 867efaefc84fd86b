import type { GuestMemory, SynicPorts } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { VMBUS_MESSAGE_SINT } from '@bis/hyperv-types/vmbus'
import type { Connection, OpenRequest } from '../control/types.ts'

/** The paravisor's SINT, to which redirected interrupts go. Source: OpenVMM vmbus_server. */
const REDIRECT_SINT = 7
/** Channels that the interrupt page has room for in each direction. */
const PAGE_BITS = 2048 * 8

/** How the host gets a channel's signal to the guest, by version, and how it hears of the guest's in the oldest one. */
export class GuestInterrupts {
  readonly #ports: SynicPorts
  #page: Int32Array | undefined = undefined

  constructor(ports: SynicPorts) {
    this.#ports = ports
  }

  /** Uses the interrupt page of a connection, if it has one. */
  connect(connection: Connection): void {
    const gpa = connection.interruptPage
    this.#page = gpa === undefined ? undefined : pageWords(this.#ports.memory, gpa)
  }

  /** Nothing of the guest's pages is touched after this. */
  disconnect(): void {
    this.#page = undefined
  }

  /** Raises a channel's interrupt. @param vp the channel's processor; undefined when the guest wants no interrupts */
  raise(channelId: number, request: OpenRequest, vp: number | undefined): void {
    if (vp === undefined) return
    if (request.reserved !== undefined) {
      this.#ports.signalEvent(vp, request.reserved.sint, request.eventFlag)
    } else if (this.#page !== undefined) {
      // Before 2.4: flag 0 says "look at the interrupt page", and always on processor 0.
      Atomics.or(this.#page, channelId >>> 5, 1 << (channelId & 31))
      this.#ports.signalEvent(0, VMBUS_MESSAGE_SINT, 0)
    } else {
      this.#ports.signalEvent(vp, request.redirect ? REDIRECT_SINT : VMBUS_MESSAGE_SINT, request.eventFlag)
    }
  }

  /** Takes the channels that the guest marked in the interrupt page and calls `found` for each. @returns false without an interrupt page */
  takeMarked(found: (channelId: number) => void): boolean {
    const page = this.#page
    if (page === undefined) return false
    for (let word = 0; word < PAGE_BITS / 32; word++) {
      const at = GUEST_TO_HOST_WORD + word
      if (Atomics.load(page, at) === 0) continue
      forEachBit(Atomics.exchange(page, at, 0), (bit) => found(word * 32 + bit))
    }
    return true
  }
}

const GUEST_TO_HOST_WORD = 2048 / 4

/** The 32-bit words of a page of guest memory. */
export function pageWords(memory: GuestMemory, gpa: number): Int32Array {
  const bytes = memory.bytesAt(gpa, PAGE_SIZE)
  return new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4)
}

/** Calls `found` for each bit set in a word, lowest first. */
export function forEachBit(word: number, found: (bit: number) => void): void {
  for (let rest = word; rest !== 0; rest &= rest - 1) found(31 - Math.clz32(rest & -rest))
}
