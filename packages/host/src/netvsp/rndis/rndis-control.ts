import { RNDIS_HEADER_BYTES, RndisMessageType, RndisStatus } from '@bis/hyperv-types/network'
import type { ControlledAdapter } from './controlled-adapter.ts'
import { queryOid } from './oid-queries.ts'
import { setOid } from './oid-settings.ts'
import { initializeComplete, keepAliveComplete, queryComplete, resetComplete, setComplete } from './rndis-answers.ts'

const LEAST_BYTES = RNDIS_HEADER_BYTES + 4
const INITIALIZE_BYTES = 24
const REQUEST_BYTES = 28

/**
 * Answers a guest's RNDIS requests. Each is a message of its own in private memory; whatever is wrong with it ends in a
 * status.
 */
export class RndisControl {
  readonly #adapter: ControlledAdapter

  constructor(adapter: ControlledAdapter) {
    this.#adapter = adapter
  }

  /** @returns the answer, or undefined when the message has none; `malformed` when it is no request */
  answer(bytes: Uint8Array, length: number): Uint8Array | undefined | 'malformed' {
    if (length < LEAST_BYTES) return 'malformed'
    const view = new DataView(bytes.buffer, bytes.byteOffset, length)
    const type = view.getUint32(0, true)
    const told = view.getUint32(4, true)
    if (told > length || told < LEAST_BYTES) return 'malformed'
    const id = view.getUint32(8, true)
    switch (type) {
      case RndisMessageType.INIT:
        return told < INITIALIZE_BYTES ? 'malformed' : initializeComplete(id, view.getUint32(12, true))
      case RndisMessageType.HALT:
        this.#adapter.filter = 0
        this.#adapter.filterChanged()
        return undefined
      case RndisMessageType.QUERY:
        return told < REQUEST_BYTES ? 'malformed' : this.#query(view, id, told)
      case RndisMessageType.SET:
        return told < REQUEST_BYTES ? 'malformed' : this.#set(view, id, told)
      case RndisMessageType.RESET:
        return resetComplete()
      case RndisMessageType.KEEPALIVE:
        return keepAliveComplete(id)
      default:
        return 'malformed'
    }
  }

  #query(view: DataView, id: number, told: number): Uint8Array {
    const data = queryOid(this.#adapter, view.getUint32(12, true), information(view, told) ?? NONE)
    if (data === undefined) this.#adapter.counters.refusedRequests++
    return queryComplete(id, data)
  }

  #set(view: DataView, id: number, told: number): Uint8Array {
    const data = information(view, told)
    const status =
      data === undefined ? RndisStatus.INVALID_LENGTH : setOid(this.#adapter, view.getUint32(12, true), data)
    if (status !== RndisStatus.SUCCESS) this.#adapter.counters.refusedRequests++
    return setComplete(id, status)
  }
}

const NONE = new Uint8Array(0)

/** The information buffer of QUERY and SET, or undefined when it does not lie in the message. */
function information(view: DataView, told: number): Uint8Array | undefined {
  const length = view.getUint32(16, true)
  const offset = view.getUint32(20, true)
  const room = told - RNDIS_HEADER_BYTES
  if (offset > room || length > room - offset) return undefined
  return new Uint8Array(view.buffer, view.byteOffset + RNDIS_HEADER_BYTES + offset, length)
}
