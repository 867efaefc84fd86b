import { ScsiOpcode, ScsiStatus } from '@bis/hyperv-types/scsi'
import { DVD_BLOCK_BYTES } from '../scsi/dvd.ts'
import { DvdUnit } from '../scsi/dvd-unit.ts'
import { ScsiRequest } from '../scsi/request.ts'
import type { CommandPort, IdeDrive } from './drive.ts'
import { identifyOptical } from './identify.ts'
import type { TaskFile } from './registers.ts'
import { IdeError, IdeRegister, InterruptReason } from './registers.ts'

const IDENTIFY = 0xec
const IDENTIFY_PACKET = 0xa1
const PACKET = 0xa0
const CDB_BYTES = 12
/** Data of one command at most; what asks for more is cut off there by the drive. */
const MAX_DATA = 512 * 1024
const NO_OPERATION: ReadonlySet<number> = new Set([0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xef])

/** The optical drive of a generation 1 machine: SCSI commands in ATA packets. Its medium is that of a {@link DvdUnit}. */
export class IdeOpticalDrive implements IdeDrive {
  readonly signature = [0x14, 0xeb] as const
  readonly packet = true
  readonly unit: DvdUnit
  readonly #sense = new Uint8Array(18)

  constructor(unit = new DvdUnit({ product: 'Virtual CD/ROM' })) {
    this.unit = unit
    this.#clearSense()
  }

  command(code: number, file: TaskFile, port: CommandPort): void {
    if (code === PACKET) {
      this.#packet(file, port)
      return
    }
    if (code === IDENTIFY_PACKET) {
      port.send(identifyOptical(), () => port.complete(true))
      return
    }
    if (NO_OPERATION.has(code)) {
      port.complete()
      return
    }
    if (code === IDENTIFY) file.setSignature(...this.signature)
    port.fail(IdeError.ABRT)
  }

  #packet(file: TaskFile, port: CommandPort): void {
    // Read now: the registers are the drive's while the packet moves.
    const asked = file.get(IdeRegister.mid) + file.get(IdeRegister.high) * 256
    const limit = asked === 0 ? 65_534 : Math.max(2, asked - (asked % 2))
    const cdb = new Uint8Array(CDB_BYTES)
    file.write(IdeRegister.count, InterruptReason.command)
    port.receive(cdb, true, () => this.#execute(cdb, limit, file, port))
  }

  #execute(cdb: Uint8Array, limit: number, file: TaskFile, port: CommandPort): void {
    if (cdb[0] === ScsiOpcode.REQUEST_SENSE) {
      const answer = this.#sense.slice(0, Math.min(cdb[4] ?? 0, this.#sense.length))
      this.#clearSense()
      this.#answer(answer, limit, file, port)
      return
    }
    const request = new ScsiRequest()
    request.cdb.set(cdb)
    const buffer = new Uint8Array(dataLength(cdb))
    request.data.add(buffer, 0, buffer.length)
    const finish = (): void => this.#finish(request, buffer, limit, file, port)
    const pending = this.unit.execute(request)
    if (pending === undefined) finish()
    else void pending.then(finish)
  }

  #finish(request: ScsiRequest, buffer: Uint8Array, limit: number, file: TaskFile, port: CommandPort): void {
    if (request.scsiStatus === ScsiStatus.GOOD) {
      this.#clearSense()
      this.#answer(buffer.subarray(0, request.transferred), limit, file, port)
      return
    }
    this.#sense.set(request.sense)
    file.write(IdeRegister.count, InterruptReason.command | InterruptReason.toGuest)
    port.fail(((request.sense[2] ?? 0) & 0x0f) << 4)
  }

  /** In parts of no more than the guest has room for. */
  #answer(bytes: Uint8Array, limit: number, file: TaskFile, port: CommandPort): void {
    let at = 0
    const next = (): void => {
      if (at === bytes.length) {
        file.write(IdeRegister.count, InterruptReason.command | InterruptReason.toGuest)
        port.complete()
        return
      }
      const part = bytes.subarray(at, Math.min(at + limit, bytes.length))
      at += part.length
      file.write(IdeRegister.count, InterruptReason.toGuest)
      file.write(IdeRegister.mid, part.length % 256)
      file.write(IdeRegister.high, Math.floor(part.length / 256))
      port.send(part, next)
    }
    next()
  }

  #clearSense(): void {
    this.#sense.fill(0)
    this.#sense[0] = 0x70
    this.#sense[7] = 10
  }
}

/** Room for what a command may answer: blocks for a READ, its allocation length for any other. */
function dataLength(cdb: Uint8Array): number {
  const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength)
  const opcode = cdb[0] ?? 0
  if (opcode === ScsiOpcode.READ_10) return Math.min(view.getUint16(7) * DVD_BLOCK_BYTES, MAX_DATA)
  if (opcode === ScsiOpcode.READ_12) return Math.min(view.getUint32(6) * DVD_BLOCK_BYTES, MAX_DATA)
  if (opcode === ScsiOpcode.READ_CAPACITY_10) return 8
  // Six-byte commands have their length in byte 4, the others in bytes 7 and 8.
  return opcode < 0x20 ? (cdb[4] ?? 0) : view.getUint16(7)
}
