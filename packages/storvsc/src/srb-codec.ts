import {
  SRB_SIMPLE_TAG_REQUEST,
  SRB_STATUS_MASK,
  SRB_UNTAGGED,
  SrbDataDirection,
  SrbFlag,
  SrbStatus,
  srbBytes,
  VSTOR_CDB_OFFSET,
  VSTOR_REQUEST_COMPLETION,
  VstorOperation,
  vstorPacket,
  vstorPacketBytes,
} from '@bis/hyperv-types/storage'
import type { StorvscRequest } from './request.ts'
import { SENSE_BYTES } from './request.ts'

const { operation, flags } = vstorPacket
const SRB = vstorPacket.u.as.vm_srb
const CDB_BYTES = 16

/** Builds EXECUTE_SRB packets, one after another in the same bytes; every field is written every time. */
export class SrbEncoder {
  readonly bytes = new Uint8Array(vstorPacket.size)
  /** Bytes of the packet in the negotiated version. */
  readonly packetBytes: number
  readonly #view = new DataView(this.bytes.buffer)
  readonly #senseRoom: number
  readonly #extension: boolean

  constructor(version: number, senseRoom: number, useExtension: boolean) {
    const view = this.#view
    this.packetBytes = vstorPacketBytes(version)
    this.#senseRoom = senseRoom
    this.#extension = useExtension && this.packetBytes === vstorPacket.size
    operation.set(view, 0, VstorOperation.EXECUTE_SRB)
    flags.set(view, 0, VSTOR_REQUEST_COMPLETION)
    SRB.length.set(view, 0, srbBytes(version))
    if (!this.#extension) return
    SRB.queue_tag.set(view, 0, SRB_UNTAGGED)
    SRB.queue_action.set(view, 0, SRB_SIMPLE_TAG_REQUEST)
  }

  encode(request: StorvscRequest, timeout: number): void {
    const view = this.#view
    SRB.path_id.set(view, 0, request.path)
    SRB.target_id.set(view, 0, request.target)
    SRB.lun.set(view, 0, request.lun)
    SRB.cdb_length.set(view, 0, request.cdbLength)
    SRB.sense_info_length.set(view, 0, this.#senseRoom)
    SRB.data_in.set(view, 0, request.direction)
    SRB.data_transfer_length.set(view, 0, request.length)
    const { view: cdb } = request
    for (let at = 0; at < CDB_BYTES; at += 4) {
      view.setUint32(VSTOR_CDB_OFFSET + at, cdb.getUint32(at, true), true)
    }
    if (!this.#extension) return
    SRB.srb_flags.set(view, 0, srbFlags(request.direction))
    SRB.time_out_value.set(view, 0, timeout)
  }
}

function srbFlags(direction: number): number {
  if (direction === SrbDataDirection.READ) return SrbFlag.DISABLE_SYNCH_TRANSFER | SrbFlag.DATA_IN
  if (direction === SrbDataDirection.WRITE) return SrbFlag.DISABLE_SYNCH_TRANSFER | SrbFlag.DATA_OUT
  return SrbFlag.DISABLE_SYNCH_TRANSFER
}

/** Takes the outcome out of a COMPLETE_IO packet at `at`, of which at least 48 bytes are there. */
export function decodeOutcome(view: DataView, at: number, request: StorvscRequest): void {
  request.srbStatus = SRB.srb_status.get(view, at)
  request.scsiStatus = SRB.scsi_status.get(view, at)
  const code = request.srbStatus & SRB_STATUS_MASK
  // Only these two say how much was moved; with any other the field means nothing.
  const counted = code === SrbStatus.SUCCESS || code === SrbStatus.DATA_OVERRUN
  request.transferred = counted ? Math.min(SRB.data_transfer_length.get(view, at), request.length) : 0
  request.senseLength = 0
  if (request.srbStatus === SrbStatus.SUCCESS) return
  const length = Math.min(SRB.sense_info_length.get(view, at), SENSE_BYTES)
  for (let i = 0; i < length; i++) request.sense[i] = view.getUint8(at + VSTOR_CDB_OFFSET + i)
  request.sense.fill(0, length)
  request.senseLength = length
}
