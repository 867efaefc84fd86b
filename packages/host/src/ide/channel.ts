import type { PortDevice, PortWidth } from '@bis/hyperv-types'
import type { CommandPort, IdeDrive } from './drive.ts'
import { IdeControl, IdeError, IdeRegister, IdeStatus } from './registers.ts'
import { TaskFiles } from './task-files.ts'

const { BSY, DRDY, DSC, DRQ, ERR } = IdeStatus
const READY = DRDY | DSC
const DEVICE_RESET = 0x08
const EXECUTE_DIAGNOSTIC = 0x90
/** What a channel without any drive shows: its lines float. */
const EMPTY_CHANNEL = 0x7f

/** Data on its way between the guest and one drive; `at` never passes the end. */
interface Transfer {
  readonly drive: number
  readonly toGuest: boolean
  readonly bytes: Uint8Array
  at: number
  readonly done: () => void
}

export interface ChannelPlace {
  readonly base: number
  readonly control: number
  readonly irq: number
}

/** Ports and interrupts of the two channels of a PC. */
export const CHANNEL_PLACES: readonly ChannelPlace[] = [
  { base: 0x1f0, control: 0x3f6, irq: 14 },
  { base: 0x170, control: 0x376, irq: 15 },
]

/**
 * One channel of the emulated IDE controller: the registers, and one command at a time. While a command is in hand the
 * channel is busy and takes no register write but a reset, so nothing a drive works with can change under it; a command
 * that comes during a transfer ends that transfer first.
 */
export class IdeChannel implements PortDevice {
  readonly ranges: PortDevice['ranges']
  readonly #place: ChannelPlace
  readonly #drives: readonly (IdeDrive | undefined)[]
  readonly #files: TaskFiles
  readonly #status = [READY, READY]
  readonly #error = [1, 1]
  #control = 0
  #transfer: Transfer | undefined
  /** An interrupt that the guest keeps off with nIEN; it comes when that goes, unless the status is read before. */
  #interruptPending = false
  /** Counts commands and resets: an answer with another number comes too late. */
  #turn = 0
  #raise: (line: number) => void = () => {}
  readonly #onInterrupt: () => void

  /** @param onInterrupt is told of each interrupt, masked or not */
  constructor(place: ChannelPlace, drives: readonly (IdeDrive | undefined)[], onInterrupt: () => void = () => {}) {
    this.#place = place
    this.#drives = drives
    this.#files = new TaskFiles(drives)
    this.#onInterrupt = onInterrupt
    this.ranges = [
      { base: place.base, size: 8 },
      { base: place.control, size: 1 },
    ]
    this.#reset()
  }

  connect(raise: (line: number) => void): void {
    this.#raise = raise
  }

  read(port: number, width: PortWidth): number {
    if (port === this.#place.control) return this.#statusNow()
    const register = port - this.#place.base
    if (register === IdeRegister.data) return this.#readData(width)
    if (register === IdeRegister.command) {
      this.#interruptPending = false
      return this.#statusNow()
    }
    if (this.#drives.every((drive) => drive === undefined)) return EMPTY_CHANNEL
    if (register === IdeRegister.device) return this.#files.device
    if (register === IdeRegister.error) return this.#drive === undefined ? 0 : (this.#error[this.#selected] ?? 0)
    return this.#files.read(register, (this.#control & IdeControl.HOB) !== 0)
  }

  write(port: number, width: PortWidth, value: number): void {
    if (port === this.#place.control) {
      this.#writeControl(value)
      return
    }
    const register = port - this.#place.base
    if (register === IdeRegister.data) {
      this.#writeData(width, value)
      return
    }
    this.#control &= ~IdeControl.HOB
    const busy = ((this.#status[this.#selected] ?? 0) & BSY) !== 0
    const resets = register === IdeRegister.command && value === DEVICE_RESET && this.#drive?.packet === true
    if (busy && !resets) return
    if (register === IdeRegister.command) this.#command(value)
    else if (register === IdeRegister.device) this.#files.device = value
    else if (register === IdeRegister.error) this.#files.features = value
    else this.#files.write(register, value)
  }

  get #selected(): number {
    return this.#files.selected
  }

  get #drive(): IdeDrive | undefined {
    return this.#drives[this.#selected]
  }

  #statusNow(): number {
    if (this.#drives.every((drive) => drive === undefined)) return EMPTY_CHANNEL
    return this.#drive === undefined ? 0 : (this.#status[this.#selected] ?? 0)
  }

  #writeControl(value: number): void {
    const before = this.#control
    this.#control = value
    if ((before & IdeControl.SRST) !== 0 && (value & IdeControl.SRST) === 0) this.#reset()
    else if ((value & IdeControl.SRST) !== 0) {
      this.#forget()
      this.#status.fill(BSY)
    }
    if (this.#interruptPending && (value & IdeControl.nIEN) === 0) this.#interrupt()
  }

  #reset(): void {
    this.#forget()
    this.#files.device = 0
    this.#status.fill(READY)
    this.#error.fill(1)
    for (const drive of this.#drives.keys()) this.#files.sign(drive)
  }

  /** Whatever was in hand is over; its answer will find nobody. */
  #forget(): void {
    this.#turn++
    this.#interruptPending = false
    if (this.#transfer !== undefined) this.#status[this.#transfer.drive] = READY
    this.#transfer = undefined
  }

  #command(code: number): void {
    const drive = this.#drive
    if (drive === undefined) return
    this.#forget()
    const index = this.#selected
    this.#error[index] = 0
    if (code === DEVICE_RESET && drive.packet) {
      this.#status[index] = 0
      this.#files.sign(index)
      return
    }
    if (code === EXECUTE_DIAGNOSTIC) {
      this.#reset()
      this.#interrupt()
      return
    }
    this.#status[index] = BSY
    drive.command(code, this.#files.of(index), this.#port(index, this.#turn))
  }

  #port(drive: number, turn: number): CommandPort {
    const move = (bytes: Uint8Array, toGuest: boolean, quiet: boolean, done: () => void): void => {
      if (turn !== this.#turn) return
      this.#transfer = { drive, toGuest, bytes, at: 0, done }
      this.#status[drive] = READY | DRQ
      if (!quiet) this.#interrupt()
    }
    const end = (status: number, error: number, quiet = false): void => {
      if (turn !== this.#turn) return
      this.#forget()
      this.#status[drive] = status
      this.#error[drive] = error
      if (!quiet) this.#interrupt()
    }
    return {
      send: (bytes, done) => move(bytes, true, false, done),
      receive: (bytes, quiet, done) => move(bytes, false, quiet, done),
      complete: (quiet) => end(READY, 0, quiet),
      fail: (error) => end(READY | ERR, error === 0 ? IdeError.ABRT : error),
    }
  }

  #interrupt(): void {
    this.#onInterrupt()
    this.#interruptPending = (this.#control & IdeControl.nIEN) !== 0
    if (!this.#interruptPending) this.#raise(this.#place.irq)
  }

  #readData(width: PortWidth): number {
    const transfer = this.#current(true)
    let value = 0
    for (let i = 0; i < width; i++) {
      const byte = transfer === undefined ? 0xff : (transfer.bytes[transfer.at + i] ?? 0)
      value += byte * 2 ** (8 * i)
    }
    if (transfer !== undefined) this.#advance(transfer, width)
    return value
  }

  #writeData(width: PortWidth, value: number): void {
    const transfer = this.#current(false)
    if (transfer === undefined) return
    for (let i = 0; i < width && transfer.at + i < transfer.bytes.length; i++) {
      transfer.bytes[transfer.at + i] = (value >>> (8 * i)) & 0xff
    }
    this.#advance(transfer, width)
  }

  #current(toGuest: boolean): Transfer | undefined {
    const transfer = this.#transfer
    return transfer !== undefined && transfer.drive === this.#selected && transfer.toGuest === toGuest
      ? transfer
      : undefined
  }

  #advance(transfer: Transfer, width: number): void {
    transfer.at = Math.min(transfer.at + width, transfer.bytes.length)
    if (transfer.at < transfer.bytes.length) return
    this.#transfer = undefined
    this.#status[transfer.drive] = BSY
    transfer.done()
  }
}
