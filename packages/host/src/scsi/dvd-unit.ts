import type { SenseCode } from '@bis/hyperv-types/scsi'
import { HYPERV_DVD_PRODUCT, ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import type { DiskBackend } from './backend.ts'
import type { Dvd } from './dvd.ts'
import { DVD_BLOCK_BYTES } from './dvd.ts'
import { dvdCommands, NEEDS_MEDIUM } from './dvd-commands.ts'
import type { LogicalUnit } from './logical-unit.ts'
import type { ScsiRequest } from './request.ts'
import { UnitAttentions } from './unit-attentions.ts'

export interface DvdUnitOptions {
  /** What is in the drive at first. */
  readonly medium?: DiskBackend
  /** Product name in INQUIRY. Default `Virtual DVD-ROM`. */
  readonly product?: string
}

const EVENT_NEW_MEDIA = 2
const EVENT_MEDIA_REMOVAL = 3

/** A DVD-ROM drive at one controller. The host puts media in and takes them out; the guest may lock and eject. */
export class DvdUnit implements LogicalUnit, Dvd {
  readonly product: string
  prevented = false
  persistentlyPrevented = false
  readonly #attentions = new UnitAttentions()
  #medium: DiskBackend | undefined
  #trayOpen = false
  #event = 0
  #ejected: (() => void) | undefined
  #changed: (() => void) | undefined

  constructor(options: DvdUnitOptions = {}) {
    this.product = options.product ?? HYPERV_DVD_PRODUCT
    this.#medium = options.medium
  }

  get medium(): DiskBackend | undefined {
    return this.#medium
  }

  get trayOpen(): boolean {
    return this.#trayOpen
  }

  get blockCount(): number {
    return Math.floor((this.#medium?.sizeBytes ?? 0) / DVD_BLOCK_BYTES)
  }

  /** Puts a medium in; what was in is out. */
  insert(medium: DiskBackend): void {
    this.#medium = medium
    this.#trayOpen = false
    this.#event = EVENT_NEW_MEDIA
    this.#attentions.raise(Sense.MEDIUM_MAY_HAVE_CHANGED)
    this.#changed?.()
  }

  /** Takes the medium out, whether or not the guest prevents it. @returns what was in. */
  eject(): DiskBackend | undefined {
    const medium = this.#medium
    if (medium !== undefined) this.#event = EVENT_MEDIA_REMOVAL
    this.#medium = undefined
    this.#changed?.()
    return medium
  }

  /** Calls the listener when the guest ejects the medium. */
  onEject(listener: () => void): void {
    this.#ejected = listener
  }

  onChange(listener: () => void): void {
    this.#changed = listener
  }

  raiseAttention(sense: SenseCode): void {
    this.#attentions.raise(sense)
  }

  takeEvent(): number {
    const event = this.#event
    this.#event = 0
    return event
  }

  openTray(): void {
    this.#trayOpen = true
    if (this.eject() !== undefined) this.#ejected?.()
  }

  closeTray(): void {
    this.#trayOpen = false
  }

  execute(request: ScsiRequest): Promise<void> | undefined {
    const { opcode } = request
    const command = dvdCommands[opcode]
    if (command === undefined) return request.check(Sense.INVALID_COMMAND_OPERATION_CODE, 0)
    const quiet =
      opcode === ScsiOpcode.INQUIRY ||
      opcode === ScsiOpcode.REQUEST_SENSE ||
      opcode === ScsiOpcode.GET_EVENT_STATUS_NOTIFICATION ||
      opcode === ScsiOpcode.GET_CONFIGURATION
    const attention = quiet ? undefined : this.#attentions.take()
    if (attention !== undefined) return request.check(attention)
    if (this.#medium === undefined && NEEDS_MEDIUM.has(opcode)) {
      return request.check(this.#trayOpen ? Sense.MEDIUM_NOT_PRESENT_TRAY_OPEN : Sense.MEDIUM_NOT_PRESENT_TRAY_CLOSED)
    }
    return command(this, request)
  }
}
