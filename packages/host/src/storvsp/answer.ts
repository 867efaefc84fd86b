import {
  channelProperties,
  fibreChannelWwn,
  STORAGE_CHANNEL_SUPPORTS_MULTI_CHANNEL,
  srb,
  VSTOR_PACKET_BYTES_SHORT,
  VSTOR_SRB_OFFSET,
  VstorOperation,
  vstorPacket,
} from '@bis/hyperv-types/storage'
import type { ScsiRequest } from '../scsi/request.ts'
import { ntStatusOf } from './status.ts'

const { operation, status } = vstorPacket
const SRB = vstorPacket.u.as.vm_srb
const SENSE_AT = SRB.u.offset
const CDB_BYTES = 16
const SRB_EXTENSION_BYTES = 16
/** Operation to transfer length: all that an answer without sense writes. */
const CLEAN_BYTES = SENSE_AT

/** World-wide names of a virtual Fibre Channel adapter, big-endian. */
export interface FibreChannelNames {
  readonly port: Uint8Array
  readonly node: Uint8Array
}

/** One COMPLETE_IO packet after another, built in the same bytes. */
export class Answer {
  readonly bytes = new Uint8Array(vstorPacket.size)
  readonly #view = new DataView(this.bytes.buffer)
  /** From the sense on all bytes are zero. */
  #clean = true

  /** Everything but operation and status zero. */
  plain(ntStatus: number): void {
    const view = this.#view
    if (this.#clean) {
      // Of the last answer only this part is not written again.
      for (let at = 4; at < CLEAN_BYTES; at += 4) view.setUint32(at, 0)
    } else {
      this.bytes.fill(0)
      this.#clean = true
    }
    operation.set(this.#view, 0, VstorOperation.COMPLETE_IO)
    status.set(this.#view, 0, ntStatus)
  }

  /** The outcome of a command. `size` is the packet's, `senseRoom` what the guest offered. */
  srb(request: ScsiRequest, size: number, senseRoom: number): void {
    const view = this.#view
    this.plain(ntStatusOf(request.srbStatus))
    SRB.length.set(view, 0, size === VSTOR_PACKET_BYTES_SHORT ? srb.size - SRB_EXTENSION_BYTES : srb.size)
    SRB.srb_status.set(view, 0, request.srbStatus)
    SRB.scsi_status.set(view, 0, request.scsiStatus)
    SRB.cdb_length.set(view, 0, CDB_BYTES)
    SRB.data_transfer_length.set(view, 0, request.transferred)
    if (request.senseLength === 0) return
    const length = Math.min(request.senseLength, senseRoom)
    SRB.sense_info_length.set(view, 0, length)
    this.#clean = false
    for (let i = 0; i < length; i++) this.bytes[SENSE_AT + i] = request.sense[i] ?? 0
  }

  version(ntStatus: number, word: number): void {
    this.plain(ntStatus)
    this.#clean = false
    vstorPacket.u.as.version.major_minor.set(this.#view, 0, word)
  }

  properties(maxSubchannels: number, maxTransferBytes: number): void {
    this.plain(0)
    const value = {
      max_channel_cnt: maxSubchannels,
      flags: maxSubchannels > 0 ? STORAGE_CHANNEL_SUPPORTS_MULTI_CHANNEL : 0,
      max_transfer_bytes: maxTransferBytes,
    }
    this.#clean = false
    channelProperties.encode(value, this.bytes, VSTOR_SRB_OFFSET)
  }

  fibreChannel({ port, node }: FibreChannelNames): void {
    this.plain(0)
    const none = new Uint8Array(8)
    const value = {
      primary_active: 1,
      primary_port_wwn: port,
      primary_node_wwn: node,
      secondary_port_wwn: none,
      secondary_node_wwn: none,
    }
    this.#clean = false
    fibreChannelWwn.encode(value, this.bytes, VSTOR_SRB_OFFSET)
  }

  /** An answer built earlier. */
  copy(bytes: Uint8Array): void {
    this.#clean = false
    this.bytes.set(bytes)
  }

  /** Unsolicited: the LUNs have changed. */
  enumerateBus(): void {
    this.plain(0)
    operation.set(this.#view, 0, VstorOperation.ENUMERATE_BUS)
  }
}
