import type { HostChannel, Packet } from '@bis/hyperv-types'
import { SendStatus } from '@bis/hyperv-types'
import { PacketType } from '@bis/hyperv-types/ring'
import { Sense } from '@bis/hyperv-types/scsi'
import { NtStatus, VSTOR_PACKET_BYTES_SHORT, VstorOperation, vstorPacket } from '@bis/hyperv-types/storage'
import { DataBuffer } from '../scsi/data-buffer.ts'
import { ScsiRequest } from '../scsi/request.ts'
import { WindowCache } from '../scsi/window-cache.ts'
import { Answer } from './answer.ts'
import { takeGuestData } from './guest-data.ts'

const SRB = vstorPacket.u.as.vm_srb
const CDB_AT = SRB.u.offset
const CDB_BYTES = 16
/** A guest may have so much in hand on one channel; then its ring fills up. */
const MAX_REQUESTS = 1024
const MAX_BYTES = 64 * 1024 * 1024
/** The longest single transfer taken: far more than is offered, as some guests do not ask. */
const MAX_TRANSFER_BYTES = 16 * 1024 * 1024

/** What a channel's worker asks of its controller. */
export interface WorkerOwner {
  readonly ready: boolean
  /** Does a command, as a LogicalUnit. */
  execute(request: ScsiRequest): Promise<void> | undefined
  /** Does any other operation, and builds the answer. */
  control(worker: ChannelWorker, packet: Packet, operation: number, answer: Answer): void
  /** The channel has room again after `announce` found none. */
  roomAgain(worker: ChannelWorker): void
}

/** An answer that was not sent when its channel was saved: transaction id, low and high word, and its bytes. */
export type SavedAnswer = readonly [low: number, high: number, bytes: readonly number[]]

/** Counters of one channel. */
export interface WorkerStatistics {
  requests: number
  readBytes: number
  writtenBytes: number
  errors: number
  malformed: number
}

/** A command in hand, used again for the next one. */
class SrbRequest extends ScsiRequest {
  transactionIdLow = 0
  transactionIdHigh = 0
  wantsAnswer = true
  packetBytes = 0
  senseRoom = 0
  /** Kept here, so that an asynchronous command costs no closure. */
  readonly finished: () => void

  constructor(worker: ChannelWorker) {
    super(new DataBuffer(worker.windows))
    this.finished = () => worker.finish(this)
  }
}

/**
 * Serves one channel: takes requests out of its ring as long as there is room for them, and sends each answer, in the
 * order in which they are ready, on the same channel.
 */
export class ChannelWorker {
  readonly channel: HostChannel
  readonly statistics: WorkerStatistics = { requests: 0, readBytes: 0, writtenBytes: 0, errors: 0, malformed: 0 }
  /** Windows on the guest's memory. */
  readonly windows = new WindowCache(256)
  readonly #owner: WorkerOwner
  readonly #answer = new Answer()
  readonly #free: SrbRequest[] = []
  /** Done, and waiting for room in the ring. */
  #unsent: SrbRequest[] = []
  /** Answers to control operations that found no room, as bytes. */
  #unsentControl: { readonly low: number; readonly high: number; readonly bytes: Uint8Array }[] = []
  #inHand = 0
  #bytesInHand = 0
  #paused = false
  #open = true
  #idle: (() => void) | undefined

  constructor(channel: HostChannel, owner: WorkerOwner) {
    this.channel = channel
    this.#owner = owner
  }

  /** Commands taken and not answered. */
  get inHand(): number {
    return this.#inHand
  }

  onPacket(packet: Packet): void {
    const size = packet.dataLength
    const isRequest = packet.type === PacketType.dataInBand || packet.type === PacketType.dataUsingGpaDirect
    if (!isRequest || size < VSTOR_PACKET_BYTES_SHORT || size > vstorPacket.size) {
      this.statistics.malformed++
      this.#answer.plain(NtStatus.INVALID_PARAMETER)
      this.#reply(packet, VSTOR_PACKET_BYTES_SHORT)
      return
    }
    const operation = packet.view.getUint32(packet.dataOffset, true)
    if (operation === VstorOperation.EXECUTE_SRB && this.#owner.ready) {
      this.#execute(packet)
    } else {
      this.#owner.control(this, packet, operation, this.#answer)
      this.#reply(packet, size)
    }
  }

  onWritable(): void {
    this.#flush()
  }

  /** Sends an unsolicited packet. @returns false when there is no room; `roomAgain` is called then. */
  announce(answer: Answer, size: number): boolean {
    const { channel } = this
    return channel.send(PacketType.dataInBand, 0, 0, 0, undefined, 0, answer.bytes, 0, size) !== SendStatus.full
  }

  /** Waits for what is in hand; answers that find no room are what it gives. Nothing is taken or sent afterwards. */
  async save(): Promise<readonly SavedAnswer[]> {
    if (this.#inHand > this.#unsent.length) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    const control = this.#unsentControl.map(({ low, high, bytes }) => [low, high, [...bytes]] as const)
    const requests = this.#unsent.map((request): SavedAnswer => {
      const { transactionIdLow, transactionIdHigh, packetBytes } = request
      this.#answer.srb(request, packetBytes, request.senseRoom)
      return [transactionIdLow, transactionIdHigh, [...this.#answer.bytes.subarray(0, packetBytes)]]
    })
    await this.close()
    return [...control, ...requests]
  }

  /** Sends what could not be sent before the channel was saved. */
  restore(answers: readonly SavedAnswer[]): void {
    for (const [low, high, bytes] of answers) {
      this.#unsentControl.push({ low, high, bytes: Uint8Array.from(bytes) })
    }
    if (answers.length === 0) return
    this.#pause()
    this.#flush()
  }

  /** The channel is closed: nothing is sent any more. Resolves when no command touches guest memory. */
  close(): Promise<void> {
    this.#open = false
    this.#release(this.#unsent.splice(0))
    this.#unsentControl = []
    if (this.#inHand === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle = resolve
    })
  }

  /** A command has its outcome. */
  finish(request: SrbRequest): void {
    const { statistics } = this
    statistics.requests++
    if (request.srbStatus !== 1) statistics.errors++
    else if (request.direction === 0) statistics.writtenBytes += request.transferred
    else statistics.readBytes += request.transferred
    if (this.#open && request.wantsAnswer && !this.#send(request)) {
      this.#unsent.push(request)
      this.#pause()
      if (this.#inHand === this.#unsent.length) this.#idle?.()
      return
    }
    this.#done(request)
  }

  #execute(packet: Packet): void {
    const { view, dataOffset: at } = packet
    const request = this.#free.pop() ?? new SrbRequest(this)
    request.transactionIdLow = packet.transactionIdLow
    request.transactionIdHigh = packet.transactionIdHigh
    request.wantsAnswer = (packet.flags & 1) !== 0
    request.packetBytes = packet.dataLength
    request.path = SRB.path_id.get(view, at)
    request.target = SRB.target_id.get(view, at)
    request.lun = SRB.lun.get(view, at)
    request.direction = SRB.data_in.get(view, at)
    request.senseRoom = SRB.sense_info_length.get(view, at)
    const { view: cdb } = request
    for (let i = 0; i < CDB_BYTES; i += 4) cdb.setUint32(i, view.getUint32(at + CDB_AT + i))
    const length = SRB.data_transfer_length.get(view, at)
    const badCdb = SRB.cdb_length.get(view, at) > CDB_BYTES
    this.#inHand++
    request.data.clear()
    if (badCdb || length > MAX_TRANSFER_BYTES || !this.#takeData(packet, length, request)) {
      this.statistics.malformed++
      request.check(Sense.INVALID_FIELD_IN_CDB)
      this.finish(request)
      return
    }
    this.#bytesInHand += request.data.length
    const pending = this.#owner.execute(request)
    if (pending === undefined) {
      this.finish(request)
      return
    }
    pending.then(request.finished)
    if (this.#inHand >= MAX_REQUESTS || this.#bytesInHand >= MAX_BYTES) this.#pause()
  }

  #takeData(packet: Packet, length: number, request: SrbRequest): boolean {
    if (packet.type === PacketType.dataInBand) return length === 0
    return takeGuestData(packet, length, this.channel.memory, request.data)
  }

  #send(request: SrbRequest): boolean {
    this.#answer.srb(request, request.packetBytes, request.senseRoom)
    const { transactionIdLow, transactionIdHigh, packetBytes } = request
    return this.#transmit(transactionIdLow, transactionIdHigh, packetBytes) !== SendStatus.full
  }

  #transmit(low: number, high: number, size: number): SendStatus {
    return this.channel.send(PacketType.completion, 0, low, high, undefined, 0, this.#answer.bytes, 0, size)
  }

  #reply(packet: Packet, size: number): void {
    if ((packet.flags & 1) === 0) return
    const { transactionIdLow: low, transactionIdHigh: high } = packet
    if (this.#transmit(low, high, size) !== SendStatus.full) return
    this.#unsentControl.push({ low, high, bytes: this.#answer.bytes.slice(0, size) })
    this.#pause()
  }

  #flush(): void {
    while (this.#unsentControl.length > 0) {
      const next = this.#unsentControl[0]
      if (next === undefined) break
      this.#answer.copy(next.bytes)
      if (this.#transmit(next.low, next.high, next.bytes.length) === SendStatus.full) return
      this.#unsentControl.shift()
    }
    let sent = 0
    for (const request of this.#unsent) {
      if (!this.#send(request)) break
      sent++
    }
    this.#release(this.#unsent.splice(0, sent))
    this.#owner.roomAgain(this)
    this.#resume()
  }

  #release(requests: readonly SrbRequest[]): void {
    for (const request of requests) this.#done(request)
  }

  #done(request: SrbRequest): void {
    this.#inHand--
    this.#bytesInHand -= request.data.length
    request.data.clear()
    this.#free.push(request)
    if (this.#paused) this.#resume()
    if (this.#inHand === this.#unsent.length) this.#idle?.()
  }

  #pause(): void {
    this.#paused = true
    this.channel.pause()
  }

  #resume(): void {
    if (!this.#open || !this.#paused || this.#unsent.length > 0 || this.#unsentControl.length > 0) return
    if (this.#inHand >= MAX_REQUESTS || this.#bytesInHand >= MAX_BYTES) return
    this.#paused = false
    this.channel.resume()
  }
}
