import type { Logger, Packet } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import { VSTOR_PACKET_BYTES_SHORT, VSTOR_SRB_OFFSET, VstorOperation, vstorPacket } from '@bis/hyperv-types/storage'
import { CONTROL_ID_HIGH } from './exchange.ts'
import type { WorldWideNames } from './handshake.ts'
import { decodeNames } from './handshake.ts'
import type { RequestPool } from './request-pool.ts'
import { decodeOutcome } from './srb-codec.ts'
import type { StorvscStatistics } from './statistics.ts'

const { operation } = vstorPacket

export interface HostPacketParts {
  readonly requests: RequestPool
  readonly statistics: StorvscStatistics
  readonly log: Logger
  /** An answer to a control packet. @returns false when nobody waits for it */
  answer(packet: Packet): boolean
  /** LUNs have come or gone. */
  busChanged(): void
  /** The Fibre Channel adapter has got other names. @returns false when it cannot have any yet */
  renamed(names: WorldWideNames): boolean
}

/** What the host sends: answers to requests and control packets, and news unasked. What makes no sense is counted, no more. */
export class HostPackets {
  readonly #parts: HostPacketParts
  readonly #requests: RequestPool
  readonly #statistics: StorvscStatistics

  constructor(parts: HostPacketParts) {
    this.#parts = parts
    this.#requests = parts.requests
    this.#statistics = parts.statistics
  }

  /** @param index of the channel that it came by; 0 is the primary one */
  take(packet: Packet, index: number): void {
    if (packet.type === PacketType.completion) this.#completion(packet, index)
    else if (packet.type === PacketType.dataInBand) this.#event(packet)
    else this.#violation(`packet of type ${packet.type}`)
  }

  #completion(packet: Packet, index: number): void {
    const { transactionIdLow: id, transactionIdHigh: high, view, dataOffset, dataLength } = packet
    if (high === CONTROL_ID_HIGH && index === 0) {
      if (!this.#parts.answer(packet)) this.#violation('answer to no control packet')
      return
    }
    const request = high === 0 ? this.#requests.find(id) : undefined
    if (request === undefined || request.channelIndex !== index || !request.isWithHost) {
      this.#violation(`completion with id ${high.toString(16)}:${id.toString(16)}`)
      return
    }
    if (dataLength < VSTOR_PACKET_BYTES_SHORT || operation.get(view, dataOffset) !== VstorOperation.COMPLETE_IO) {
      this.#violation(`completion of ${dataLength} bytes`)
      request.failure = 'protocol'
    } else {
      decodeOutcome(view, dataOffset, request)
    }
    this.#statistics.requests++
    if (request.answered()) request.owner?.requestDone(request)
    else this.#requests.release(request)
  }

  /** Each kind has its own length. */
  #event(packet: Packet): void {
    const { view, dataOffset, dataLength } = packet
    const code = dataLength >= VSTOR_SRB_OFFSET ? operation.get(view, dataOffset) : -1
    switch (code) {
      case VstorOperation.ENUMERATE_BUS:
      case VstorOperation.REMOVE_DEVICE:
        this.#statistics.busEvents++
        this.#parts.busChanged()
        break
      case VstorOperation.FCHBA_DATA:
        if (dataLength < VSTOR_PACKET_BYTES_SHORT) this.#violation('short FCHBA_DATA')
        else if (!this.#parts.renamed(decodeNames(view, dataOffset + VSTOR_SRB_OFFSET))) {
          this.#violation('FCHBA_DATA before the handshake')
        }
        break
      default:
        this.#violation(`unsolicited packet of operation ${code}`)
    }
  }

  #violation(what: string): void {
    this.#statistics.protocolErrors++
    this.#parts.log.log('warning', `the host sent nonsense, ignored: ${what}`, 'protocol')
  }
}
