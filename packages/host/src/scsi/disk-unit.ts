import type { SenseCode } from '@bis/hyperv-types/scsi'
import { encodeSense, ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import type { Disk } from './disk.ts'
import { diskCommands } from './disk-commands.ts'
import type { LogicalUnit } from './logical-unit.ts'
import type { ScsiRequest } from './request.ts'
import { SENSE_BYTES } from './request.ts'
import type { Nexus } from './reservations.ts'
import { UnitAttentions } from './unit-attentions.ts'

export interface DiskUnitOptions {
  readonly backend: DiskBackend
  /** Version byte of INQUIRY: 4 (SPC-2) on hosts up to 2012 R2, 5 (SPC-3) after. Default 5. */
  readonly inquiryVersion?: number
  /** Page 80h; none by default, as on Hyper-V. At most 64 characters of ASCII. */
  readonly serial?: string
  /** Whether the disk says that it has a volatile write cache. Default true. */
  readonly writeCache?: boolean
  /** Thin provisioning: UNMAP and the pages that announce it. Default true. */
  readonly unmap?: boolean
  /** Longest transfer in bytes that page B0h tells. Default 256 KiB. */
  readonly maxTransferBytes?: number
  /** Longest WRITE SAME in bytes, told by page B0h too. Default 8 MiB or `maxTransferBytes`, whichever is less. */
  readonly maxWriteSameBytes?: number
  /** The initiator's place at the disk's persistent reservations; without it those commands are not known. */
  readonly nexus?: Nexus
  /** Raise 6/29/00 for the first command. Hyper-V does not. Default false. */
  readonly powerOnAttention?: boolean
}

const DEFAULT_MAX_WRITE_SAME = 8 * 1024 * 1024

/** A direct-access disk at one controller. */
export class DiskUnit implements LogicalUnit, Disk {
  readonly backend: DiskBackend
  readonly sectorSize: number
  readonly inquiryVersion: number
  readonly serial: string | undefined
  readonly writeCache: boolean
  readonly unmap: boolean
  readonly maxTransferBytes: number
  readonly maxWriteSameBytes: number
  readonly nexus: Nexus | undefined
  readonly storedSense = new Uint8Array(SENSE_BYTES)
  readonly #attentions = new UnitAttentions()
  #knownBytes: number
  #knownBlockSize: number
  /** The sector count, and the size it was reckoned from. */
  #count = 0
  #countedBytes = -1

  constructor(options: DiskUnitOptions) {
    const { backend } = options
    const size = backend.logicalSectorSize
    if (!Number.isInteger(size) || size < 512 || size > 65_536 || backend.physicalSectorSize % size !== 0) {
      throw new RangeError(
        `a disk with sectors of ${size} in ${backend.physicalSectorSize} bytes cannot be a SCSI disk`,
      )
    }
    this.backend = backend
    this.sectorSize = size
    this.inquiryVersion = options.inquiryVersion ?? 5
    this.serial = options.serial
    this.writeCache = options.writeCache ?? true
    this.unmap = options.unmap ?? true
    this.maxTransferBytes = options.maxTransferBytes ?? 256 * 1024
    this.maxWriteSameBytes = options.maxWriteSameBytes ?? Math.min(DEFAULT_MAX_WRITE_SAME, this.maxTransferBytes)
    this.nexus = options.nexus
    this.nexus?.onAttention((sense) => this.#attentions.raise(sense))
    this.#knownBytes = backend.sizeBytes
    this.#knownBlockSize = backend.blockSize
    this.storedSense.set(encodeSense(Sense.NO_SENSE))
    if (options.powerOnAttention === true) this.#attentions.raise(Sense.POWER_ON_OR_RESET)
  }

  get sectorCount(): number {
    const { sizeBytes } = this.backend
    if (sizeBytes !== this.#countedBytes) {
      this.#countedBytes = sizeBytes
      this.#count = Math.floor(sizeBytes / this.sectorSize)
    }
    return this.#count
  }

  raiseAttention(sense: SenseCode): void {
    if (sense === Sense.POWER_ON_OR_RESET || sense === Sense.BUS_RESET) this.#attentions.reset(sense)
    else this.#attentions.raise(sense)
  }

  takeAttention(): SenseCode | undefined {
    return this.#attentions.take()
  }

  execute(request: ScsiRequest): Promise<void> | undefined {
    const { opcode } = request
    const command = diskCommands[opcode]
    if (command === undefined) return this.#refuse(request, Sense.INVALID_COMMAND_OPERATION_CODE, 0)
    const { backend } = this
    if (backend.sizeBytes !== this.#knownBytes || backend.blockSize !== this.#knownBlockSize) this.#noteChange()
    if (this.#attentions.any && opcode !== ScsiOpcode.INQUIRY && opcode !== ScsiOpcode.REQUEST_SENSE) {
      return this.#refuse(request, this.#attentions.take() ?? Sense.NO_SENSE)
    }
    if (this.nexus?.conflicts(request) === true) return request.conflict()
    const pending = command(this, request)
    if (pending !== undefined) return pending.then(() => this.#keepSense(request))
    if (request.senseLength > 0) this.#keepSense(request)
    return undefined
  }

  #refuse(request: ScsiRequest, sense: SenseCode, field = -1): undefined {
    request.check(sense, field)
    this.#keepSense(request)
  }

  #keepSense(request: ScsiRequest): void {
    if (request.senseLength > 0) this.storedSense.set(request.sense)
  }

  #noteChange(): void {
    const { sizeBytes, blockSize } = this.backend
    if (sizeBytes !== this.#knownBytes) this.#attentions.raise(Sense.CAPACITY_DATA_HAS_CHANGED)
    if (blockSize !== this.#knownBlockSize) this.#attentions.raise(Sense.TARGET_OPERATING_CONDITIONS_CHANGED)
    this.#knownBytes = sizeBytes
    this.#knownBlockSize = blockSize
  }
}
