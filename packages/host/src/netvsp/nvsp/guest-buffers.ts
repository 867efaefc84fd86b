import type { HostChannel, HostGpadl } from '@bis/hyperv-types'
import { NvspMessageType, NvspStatus } from '@bis/hyperv-types/network'
import { CONTROL_IDS, ReceivePool, sectionBytesFor } from '../receive/receive-pool.ts'
import { writeAnswer, writeReceiveSections } from './nvsp-answers.ts'
import { SharedBuffer } from './shared-buffer.ts'

/** Bytes of a section of the send buffer. */
export const SEND_SECTION_BYTES = 6144
const LEAST_SUBALLOCATIONS = CONTROL_IDS + 8

/** The two buffers that a guest shares: from one its small frames are read, into the other all frames for it are written. */
export class GuestBuffers {
  send: SharedBuffer | undefined
  receive: ReceivePool | undefined

  /** Cuts the receive buffer. Fills in the answer. */
  takeReceive(channel: HostChannel, handle: number, id: number, frameBytes: number, answer: DataView): void {
    const gpadl = this.receive === undefined ? channel.gpadl(handle) : undefined
    writeAnswer(answer, NvspMessageType.SEND_RECV_BUF_COMPLETE, NvspStatus.FAIL)
    if (gpadl === undefined || !isWhole(gpadl)) return
    const sectionBytes = sectionBytesFor(frameBytes)
    const pool = new ReceivePool(new SharedBuffer(gpadl, channel.memory), id, sectionBytes)
    if (pool.count < LEAST_SUBALLOCATIONS) return
    this.receive = pool
    writeReceiveSections(answer, sectionBytes, pool.count)
  }

  /** Fills in the answer. */
  takeSend(channel: HostChannel, handle: number, answer: DataView): void {
    const gpadl = this.send === undefined ? channel.gpadl(handle) : undefined
    const good = gpadl !== undefined && isWhole(gpadl)
    if (good) this.send = new SharedBuffer(gpadl, channel.memory)
    writeAnswer(answer, NvspMessageType.SEND_SEND_BUF_COMPLETE, good ? NvspStatus.SUCCESS : NvspStatus.FAIL)
    answer.setUint32(8, good ? SEND_SECTION_BYTES : 0, true)
  }
}

/** One range of whole pages. */
function isWhole({ rangeCount, byteOffset }: HostGpadl): boolean {
  return rangeCount === 1 && byteOffset === 0
}
