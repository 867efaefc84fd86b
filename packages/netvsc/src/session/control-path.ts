import type { Channel, Packet, PageRun } from '@bis/hyperv-types'
import { NvspMessageType } from '@bis/hyperv-types/network'
import { NVS_ID_HIGH, NvsExchange } from '../nvs/nvs-exchange.ts'
import { SendTable } from '../nvs/send-table.ts'
import { RNDIS_ID_HIGH, RndisExchange } from '../rndis/rndis-exchange.ts'
import type { SessionOwner } from './owner.ts'
import { reportViolation } from './owner.ts'

/** What goes over the primary channel and is no frame: requests and answers of NVSP and RNDIS, and the host's own news. */
export class ControlPath {
  readonly nvs: NvsExchange
  readonly rndis: RndisExchange
  readonly table = new SendTable()
  readonly #owner: SessionOwner
  #version = 0

  /** @param run where RNDIS requests are written: {@link RndisExchange.pages} pages */
  constructor(channel: Channel, run: PageRun, owner: SessionOwner) {
    const { clock, settings } = owner
    this.#owner = owner
    this.nvs = new NvsExchange(channel, clock, settings.requestTimeoutMs)
    this.rndis = new RndisExchange(channel, clock, settings.requestTimeoutMs, run)
    this.rndis.onIndicate = (status, data) => owner.indicated(status, data)
  }

  /** Messages have the form of this NVSP version from now on. */
  agreed(version: number): void {
    this.#version = version
    this.rndis.agreed(version)
  }

  /** @returns false when nothing of this id is outstanding */
  completed(packet: Packet): boolean {
    const { transactionIdLow: low, transactionIdHigh: high } = packet
    if (high === NVS_ID_HIGH) return this.nvs.completed(low, packet)
    return high === RNDIS_ID_HIGH && this.rndis.completed(low - 1)
  }

  notified(packet: Packet): void {
    const { view, dataOffset: at, dataLength } = packet
    const type = dataLength >= 12 ? view.getUint32(at, true) : -1
    switch (type) {
      case NvspMessageType.SEND_VF_ASSOCIATION:
        this.#owner.association(view.getUint32(at + 4, true) !== 0, view.getUint32(at + 8, true))
        return
      case NvspMessageType.SWITCH_DATA_PATH:
        this.#owner.dataPathMoved(view.getUint32(at + 4, true) === 1)
        return
      case NvspMessageType.SEND_INDIRECTION_TABLE:
        if (!this.table.read(packet, this.#version)) {
          reportViolation(this.#owner, `a send table of ${dataLength} bytes that does not fit`)
        }
        return
      default:
        reportViolation(this.#owner, `NVSP message ${type} of ${dataLength} bytes`)
    }
  }

  /** Ends what waits; nobody waits after this. */
  close(error: Error): void {
    this.nvs.close(error)
    this.rndis.close(error)
  }
}
