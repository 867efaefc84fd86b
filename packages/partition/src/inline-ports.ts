import type { GuestMemory, PortDelivery, SynicPorts, SynicRoot } from '@bis/hyperv-types'
import { EVENT_FLAGS_PER_SINT, HV_MESSAGE_PAYLOAD_BYTES, HvStatus, SINT_COUNT } from '@bis/hyperv-types/hypervisor'
import { PartitionError } from './errors.ts'
import type { PortTarget } from './hypercall/port-calls.ts'
import type { VirtualProcessor } from './virtual-processor.ts'

/** The root's side of a partition's SynIC, in the thread of the partition. */
export class InlinePorts implements SynicPorts, PortTarget {
  readonly memory: GuestMemory
  readonly processorCount: number
  /** Processors by VP index; holes where no processor has the index. */
  readonly #byIndex: readonly (VirtualProcessor | undefined)[]
  messagesPosted = 0
  eventsSignaled = 0
  unknownConnections = 0
  readonly #now: () => bigint
  #root: SynicRoot | undefined
  #gone = false

  constructor(memory: GuestMemory, processors: readonly VirtualProcessor[], now: () => bigint) {
    this.memory = memory
    this.#now = now
    this.processorCount = processors.length
    const length = Math.max(...processors.map(({ index }) => index)) + 1
    const byIndex: (VirtualProcessor | undefined)[] = new Array(length).fill(undefined)
    for (const vp of processors) byIndex[vp.index] = vp
    this.#byIndex = byIndex
  }

  /** Who receives what the guest posts and signals. */
  get root(): SynicRoot | undefined {
    return this.#root
  }

  referenceTime(): bigint {
    return this.#now()
  }

  hasProcessor(vp: number): boolean {
    return isBelow(vp, this.#byIndex.length) && this.#byIndex[vp] !== undefined
  }

  postMessage(vp: number, sint: number, messageType: number, payload: Uint8Array): PortDelivery {
    const target = this.#target(vp, sint)
    const type = messageType >>> 0
    if (target === undefined || type === 0 || payload.length > HV_MESSAGE_PAYLOAD_BYTES) return this.#refusal()
    return target.synic.post(sint, { type, payload: payload.slice() })
  }

  signalEvent(vp: number, sint: number, flag: number): PortDelivery {
    const target = this.#target(vp, sint)
    if (target === undefined || !isBelow(flag, EVENT_FLAGS_PER_SINT)) return this.#refusal()
    return target.synic.signal(sint, flag)
  }

  connect(root: SynicRoot): () => void {
    if (this.#gone) throw new PartitionError('powered-off', 'the partition is powered off')
    if (this.#root !== undefined) throw new PartitionError('already-connected', 'a root is connected to this partition')
    this.#root = root
    return () => {
      if (this.#root === root) this.#root = undefined
    }
  }

  /** The guest posts a message. @returns an HV_STATUS. */
  messagePosted(connectionId: number, messageType: number, payload: Uint8Array, vp: number): number {
    const status = this.#root?.messagePosted(connectionId, messageType, payload, vp) ?? HvStatus.INVALID_CONNECTION_ID
    if (status === HvStatus.SUCCESS) this.messagesPosted++
    else if (status === HvStatus.INVALID_CONNECTION_ID) this.unknownConnections++
    return status
  }

  /** The guest signals an event. @returns an HV_STATUS. */
  eventSignaled(connectionId: number, flag: number, vp: number): number {
    const status = this.#root?.eventSignaled(connectionId, flag, vp) ?? HvStatus.INVALID_CONNECTION_ID
    if (status === HvStatus.SUCCESS) this.eventsSignaled++
    else if (status === HvStatus.INVALID_CONNECTION_ID) this.unknownConnections++
    return status
  }

  /** The partition has ended. */
  close(reason: string): void {
    this.#gone = true
    const root = this.#root
    this.#root = undefined
    root?.partitionGone?.(reason)
  }

  #target(vp: number, sint: number): VirtualProcessor | undefined {
    if (this.#gone || !isBelow(sint, SINT_COUNT) || !isBelow(vp, this.#byIndex.length)) return undefined
    return this.#byIndex[vp]
  }

  #refusal(): PortDelivery {
    return this.#gone ? 'gone' : 'invalid'
  }
}

/** Whether a number, whatever it is, is an integer from 0 to `limit` - 1. */
function isBelow(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit
}
