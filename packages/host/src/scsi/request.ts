import { ScsiStatus, Sense, SenseKey, SrbStatus } from './codes.ts'
import { DataBuffer } from './data-buffer.ts'

/** Which way the initiator says data goes; only a hint, the command decides. */
export const DataDirection = { toDevice: 0, toInitiator: 1, unknown: 2 } as const

/** Fixed-format sense data. */
export const SENSE_BYTES = 18

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
  readonly data = new DataBuffer()

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

  get opcode(): number {
    return this.cdb[0] ?? 0
  }

  byte(index: number): number {
    return this.cdb[index] ?? 0
  }

  good(transferred = 0): undefined {
    this.#end(SrbStatus.success, ScsiStatus.good, transferred)
  }

  /** CHECK CONDITION with sense. `field` is the offending byte of the CDB, for illegal requests. */
  check(code: number, field = -1): undefined {
    const key = code >>> 16
    if (key === SenseKey.abortedCommand) {
      this.#end(SrbStatus.aborted | SrbStatus.autosenseValid, ScsiStatus.taskAborted, 0)
    } else {
      const status = key === SenseKey.illegalRequest ? SrbStatus.invalidRequest : SrbStatus.error
      this.#end(status | SrbStatus.autosenseValid, ScsiStatus.checkCondition, 0)
    }
    this.senseLength = SENSE_BYTES
    writeSense(this.sense, code, field)
  }

  /** The initiator's buffer cannot take an answer of fixed size. `code` 0 for no sense. */
  overrun(code: number): undefined {
    const flag = code === 0 ? 0 : SrbStatus.autosenseValid
    this.#end(SrbStatus.dataOverrun | flag, ScsiStatus.checkCondition, 0)
    if (code === 0) return
    this.senseLength = SENSE_BYTES
    writeSense(this.sense, code, -1)
  }

  conflict(): undefined {
    this.#end(SrbStatus.error, ScsiStatus.reservationConflict, 0)
  }

  busy(scsiStatus: number): undefined {
    this.#end(SrbStatus.busy, scsiStatus, 0)
  }

  /** No such logical unit: GOOD, or FreeBSD takes it for a failing disk instead of none; never with sense. */
  noUnit(): undefined {
    this.#end(SrbStatus.invalidLun, ScsiStatus.good, 0)
  }

  /** A description of the data that cannot be used: nothing of the command was done. */
  malformed(): undefined {
    this.#end(SrbStatus.invalidRequest, ScsiStatus.good, 0)
  }

  /** Ends GOOD with the first `length` bytes of `answer`, or as many as fit. */
  reply(answer: Uint8Array, length: number): undefined {
    if (this.direction === DataDirection.toDevice && this.data.length > 0) {
      this.check(Sense.invalidFieldInCdb)
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

/** Fixed-format sense data, current error. Source: SPC-4 4.5.3. */
export function writeSense(target: Uint8Array, code: number, field = -1): void {
  target.fill(0)
  target[0] = 0x70
  target[2] = code >>> 16
  target[7] = SENSE_BYTES - 8
  target[12] = (code >>> 8) & 0xff
  target[13] = code & 0xff
  if (field < 0) return
  target[15] = 0xc0
  target[16] = field >>> 8
  target[17] = field & 0xff
}
