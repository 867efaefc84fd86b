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
/** Blocks taken from the medium at once. */
const PART_BLOCKS = 256
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
    // Data by DMA, which is not there.
    if ((file.features & 1) !== 0) {
      port.fail(IdeError.ABRT)
      return
    }
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
      this.#send(answer, limit, file, port, () => this.#end(file, port))
      return
    }
    const parts = readParts(cdb, this.unit.blockCount)
    const next = (): void => {
      const part = parts.shift()
      if (part === undefined) this.#end(file, port)
      else this.#run(part, limit, file, port, next)
    }
    next()
  }

  #run(cdb: Uint8Array, limit: number, file: TaskFile, port: CommandPort, then: () => void): void {
    const request = new ScsiRequest()
    request.cdb.set(cdb)
    const buffer = new Uint8Array(dataLength(cdb))
    request.data.add(buffer, 0, buffer.length)
    const finish = (): void => {
      if (request.scsiStatus === ScsiStatus.GOOD) {
        this.#clearSense()
        this.#send(buffer.subarray(0, request.transferred), limit, file, port, then)
        return
      }
      this.#sense.set(request.sense)
      file.write(IdeRegister.count, InterruptReason.command | InterruptReason.toGuest)
      port.fail(((request.sense[2] ?? 0) & 0x0f) << 4)
    }
    const pending = this.unit.execute(request)
    if (pending === undefined) finish()
    else void pending.then(finish)
  }

  #end(file: TaskFile, port: CommandPort): void {
    file.write(IdeRegister.count, InterruptReason.command | InterruptReason.toGuest)
    port.complete()
  }

  /** In parts of no more than the guest has room for. */
  #send(bytes: Uint8Array, limit: number, file: TaskFile, port: CommandPort, then: () => void): void {
    let at = 0
    const next = (): void => {
      if (at === bytes.length) {
        then()
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

/** A command that reads many blocks as several that read some each; any other, and one that will be refused, as it is. */
function readParts(cdb: Uint8Array, blockCount: number): Uint8Array[] {
  const read = blocksOf(cdb)
  if (read === undefined || read.blocks <= PART_BLOCKS || read.first + read.blocks > blockCount) return [cdb]
  const parts: Uint8Array[] = []
  for (let at = 0; at < read.blocks; at += PART_BLOCKS) {
    const part = cdb.slice()
    const view = new DataView(part.buffer)
    const count = Math.min(PART_BLOCKS, read.blocks - at)
    view.setUint32(2, read.first + at)
    if (cdb[0] === ScsiOpcode.READ_10) view.setUint16(7, count)
    else view.setUint32(6, count)
    parts.push(part)
  }
  return parts
}

/** What a READ names; undefined for any other command. */
function blocksOf(cdb: Uint8Array): { readonly first: number; readonly blocks: number } | undefined {
  const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength)
  if (cdb[0] === ScsiOpcode.READ_10) return { first: view.getUint32(2), blocks: view.getUint16(7) }
  if (cdb[0] === ScsiOpcode.READ_12) return { first: view.getUint32(2), blocks: view.getUint32(6) }
  return undefined
}

/** Room for what a command may answer: blocks for a READ, its allocation length for any other. */
function dataLength(cdb: Uint8Array): number {
  const view = new DataView(cdb.buffer, cdb.byteOffset, cdb.byteLength)
  const opcode = cdb[0] ?? 0
  const read = blocksOf(cdb)
  if (read !== undefined) return Math.min(read.blocks, PART_BLOCKS) * DVD_BLOCK_BYTES
  if (opcode === ScsiOpcode.READ_CAPACITY_10) return 8
  // Six-byte commands have their length in byte 4, the others in bytes 7 and 8.
  return opcode < 0x20 ? (cdb[4] ?? 0) : view.getUint16(7)
}
