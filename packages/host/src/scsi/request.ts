import type { SenseCode } from '@bis/hyperv-types/scsi'
import { encodeSense, ScsiStatus, Sense, SenseKey } from '@bis/hyperv-types/scsi'
import { SRB_STATUS_AUTOSENSE_VALID, SrbStatus } from '@bis/hyperv-types/storage'
import { DataBuffer } from './data-buffer.ts'

/** Which way the initiator says data goes; only a hint, the command decides. */
export const DataDirection = { toDevice: 0, toInitiator: 1, unknown: 2 } as const

/** Fixed-format sense data. */
export const SENSE_BYTES = 18

/** Byte 15 of sense: bytes 16 and 17 are valid and point into the CDB. */
const FIELD_IN_CDB = 0xc0

/**
 * One command and its outcome, in an object that its owner uses again. The target copies nothing but what it answers;
 * outcome methods return undefined, so that a handler can end with `return request.good(n)`.
 */
export class ScsiRequest {
  readonly cdb = new Uint8Array(16)
  readonly view = new DataView(this.cdb.buffer)
  path = 0
  target = 0
  lun = 0
  direction: number = DataDirection.unknown
  readonly data: DataBuffer

  /** The outcome: valid when the target is done with the request. */
  srbStatus = 0
  scsiStatus = 0
  /** Bytes moved to or from `data`. */
  transferred = 0
  senseLength = 0
  readonly sense = new Uint8Array(SENSE_BYTES)

  /** What a READ or WRITE names, decoded. `lba` is Infinity when it is 2^53 or more. */
  lba = 0
  blocks = 0

  constructor(data = new DataBuffer()) {
    this.data = data
  }

  get opcode(): number {
    return this.cdb[0] ?? 0
  }

  byte(index: number): number {
    return this.cdb[index] ?? 0
  }

  good(transferred = 0): undefined {
    this.#end(SrbStatus.SUCCESS, ScsiStatus.GOOD, transferred)
  }

  /** CHECK CONDITION with sense. `field` is the offending byte of the CDB, for illegal requests. */
  check(sense: SenseCode, field = -1): undefined {
    if (sense.key === SenseKey.ABORTED_COMMAND) {
      this.#end(SrbStatus.ABORTED | SRB_STATUS_AUTOSENSE_VALID, ScsiStatus.TASK_ABORTED, 0)
    } else {
      const status = sense.key === SenseKey.ILLEGAL_REQUEST ? SrbStatus.INVALID_REQUEST : SrbStatus.ERROR
      this.#end(status | SRB_STATUS_AUTOSENSE_VALID, ScsiStatus.CHECK_CONDITION, 0)
    }
    this.senseLength = SENSE_BYTES
    this.sense.set(encodeSense(sense))
    if (field < 0) return
    this.sense[15] = FIELD_IN_CDB
    this.sense[16] = field >>> 8
    this.sense[17] = field & 0xff
  }

  /** The initiator's buffer cannot take an answer of fixed size. */
  overrun(sense?: SenseCode): undefined {
    const flag = sense === undefined ? 0 : SRB_STATUS_AUTOSENSE_VALID
    this.#end(SrbStatus.DATA_OVERRUN | flag, ScsiStatus.CHECK_CONDITION, 0)
    if (sense === undefined) return
    this.senseLength = SENSE_BYTES
    this.sense.set(encodeSense(sense))
  }

  conflict(): undefined {
    this.#end(SrbStatus.ERROR, ScsiStatus.RESERVATION_CONFLICT, 0)
  }

  busy(scsiStatus: number): undefined {
    this.#end(SrbStatus.BUSY, scsiStatus, 0)
  }

  /** No such logical unit: GOOD, or FreeBSD takes it for a failing disk instead of none; never with sense. */
  noUnit(): undefined {
    this.#end(SrbStatus.INVALID_LUN, ScsiStatus.GOOD, 0)
  }

  /** Ends GOOD with the first `length` bytes of `answer`, or as many as fit. */
  reply(answer: Uint8Array, length: number): undefined {
    if (this.direction === DataDirection.toDevice && this.data.length > 0) {
      this.check(Sense.INVALID_FIELD_IN_CDB)
      return
    }
    this.good(this.data.write(0, answer, Math.min(length, answer.length)))
  }

  #end(srbStatus: number, scsiStatus: number, transferred: number): void {
    this.srbStatus = srbStatus
    this.scsiStatus = scsiStatus
    this.transferred = transferred
    this.senseLength = 0
  }
}
