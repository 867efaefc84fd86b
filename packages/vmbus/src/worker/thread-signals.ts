import type { GuestMemory, SignalLink } from '@bis/hyperv-types'
import { SignalBoard } from '@bis/hyperv-types/threads'
import type { Signal } from '../channel/signal.ts'
import { monitorSignal, pageBitSignal } from '../channel/signal.ts'
import type { ProcessorBoard } from './board.ts'
import type { ChannelDescriptor } from './link-data.ts'

/** How channels in this thread signal the host: by the monitor page, by the hypervisor's board, or by the bus, as there is. */
export class ThreadSignals {
  readonly #memory: GuestMemory
  readonly #bus: ProcessorBoard
  readonly #hypervisor: { readonly board: SignalBoard; readonly row: number } | undefined

  /** @param link without it the bus signals for the thread */
  constructor(memory: GuestMemory, bus: ProcessorBoard, link: SignalLink | undefined) {
    this.#memory = memory
    this.#bus = bus
    this.#hypervisor = link && { board: new SignalBoard(link.board), row: link.row }
  }

  of({ offer, monitorPage, sendPage }: ChannelDescriptor): Signal {
    const { channelId, connectionId, monitorId } = offer
    if (monitorPage !== undefined && monitorId !== undefined) {
      const words = this.#words(monitorPage, 4096)
      return this.#withPageBit(sendPage, channelId, monitorSignal(words, monitorId))
    }
    if (this.#hypervisor === undefined || !SignalBoard.takes(connectionId)) {
      const bus = this.#bus
      return () => {
        if (bus.set('to-host', channelId)) bus.ring('main')
      }
    }
    const { board, row } = this.#hypervisor
    return this.#withPageBit(sendPage, channelId, () => board.signal(row, connectionId))
  }

  #withPageBit(sendPage: number | undefined, channelId: number, signal: Signal): Signal {
    return sendPage === undefined ? signal : pageBitSignal(this.#words(sendPage, 2048), channelId, signal)
  }

  #words(gpa: number, byteLength: number): Int32Array {
    const bytes = this.#memory.bytesAt(gpa, byteLength)
    return new Int32Array(bytes.buffer, bytes.byteOffset, byteLength / 4)
  }
}
