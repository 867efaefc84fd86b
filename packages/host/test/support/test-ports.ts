import type { PortDelivery, SynicPorts, SynicRoot } from '@bis/hyperv-types'
import { GuestMemory } from '@bis/hyperv-types'

export interface SentMessage {
  readonly vp: number
  readonly sint: number
  readonly payload: Uint8Array
}

export interface SentEvent {
  readonly vp: number
  readonly sint: number
  readonly flag: number
}

/** A partition that only records what the host does to it, and posts what a test tells it to. */
export class TestPorts implements SynicPorts {
  readonly memory: GuestMemory
  readonly processorCount: number
  messages: SentMessage[] = []
  events: SentEvent[] = []
  onEvent: ((event: SentEvent) => void) | undefined = undefined
  #root: SynicRoot | undefined = undefined

  constructor(memoryBytes = 4 * 2 ** 20, processorCount = 4) {
    this.memory = GuestMemory.allocate(memoryBytes, { kind: 'plain' })
    this.processorCount = processorCount
  }

  get root(): SynicRoot {
    if (this.#root === undefined) throw new Error('no root is connected')
    return this.#root
  }

  postMessage(vp: number, sint: number, _messageType: number, payload: Uint8Array): PortDelivery {
    if (vp >= this.processorCount || sint >= 16) return 'invalid'
    this.messages.push({ vp, sint, payload: payload.slice() })
    return 'delivered'
  }

  signalEvent(vp: number, sint: number, flag: number): PortDelivery {
    if (vp >= this.processorCount || sint >= 16 || flag >= 2048) return 'invalid'
    this.events.push({ vp, sint, flag })
    this.onEvent?.({ vp, sint, flag })
    return 'delivered'
  }

  connect(root: SynicRoot): () => void {
    this.#root = root
    return () => {
      this.#root = undefined
    }
  }
}
