import type { DiskBackend } from '../scsi/backend.ts'
import type { CommandPort, IdeDrive } from './drive.ts'
import { HEADS, identifyDisk, SECTORS_PER_TRACK } from './identify.ts'
import type { TaskFile } from './registers.ts'
import { IdeError, IdeRegister, SECTOR_BYTES } from './registers.ts'

/** Sectors moved to or from the image at once. */
const WINDOW_SECTORS = 128

/** Sectors moved with one interrupt at most, by READ and WRITE MULTIPLE. */
const MAX_MULTIPLE = 128

/** How a command says where and how its data goes. */
interface Addressing {
  /** With 48-bit addresses. */
  readonly extended?: boolean
  /** As many sectors with each interrupt as SET MULTIPLE said. */
  readonly multiple?: boolean
  /** Done when it is in the image for good. */
  readonly durable?: boolean
}

type Handler = (disk: IdeHardDisk, file: TaskFile, port: CommandPort) => void

const done: Handler = (_disk, _file, port) => port.complete()
const send: Handler = (disk, _file, port) => port.send(disk.identity(), () => port.complete(true))
const flush: Handler = (disk, _file, port) => disk.flush(port)

function read(how: Addressing): Handler {
  return (disk, file, port) => disk.read(file, how, port)
}

function write(how: Addressing): Handler {
  return (disk, file, port) => disk.write(file, how, port)
}

function verify(how: Addressing): Handler {
  return (disk, file, port) => disk.verify(file, how, port)
}

/** Commands by code; every other is aborted. Source: ATA/ATAPI-6, and what Hyper-V's controller takes, without DMA. */
const COMMANDS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [0xec, send],
  [0x20, read({})],
  [0x21, read({})],
  [0x24, read({ extended: true })],
  [0x29, read({ extended: true, multiple: true })],
  [0x30, write({})],
  [0x31, write({})],
  [0x34, write({ extended: true })],
  [0x39, write({ extended: true, multiple: true })],
  [0x40, verify({})],
  [0x41, verify({})],
  [0x42, verify({ extended: true })],
  [0x91, (disk, file, port) => disk.setGeometry(file, port)],
  [0xc4, read({ multiple: true })],
  [0xc5, write({ multiple: true })],
  [0xc6, (disk, file, port) => disk.setMultiple(file, port)],
  [0xce, write({ extended: true, multiple: true, durable: true })],
  [0xe7, flush],
  [0xea, flush],
  [0xef, (_disk, file, port) => setFeatures(file, port)],
  // Power management: nothing to do.
  ...[0xe0, 0xe1, 0xe2, 0xe3, 0xe6].map((code): [number, Handler] => [code, done]),
  // RECALIBRATE and SEEK, each of sixteen codes.
  ...Array.from({ length: 16 }, (_, i): [number, Handler] => [0x10 + i, done]),
  ...Array.from({ length: 16 }, (_, i): [number, Handler] => [0x70 + i, done]),
  [
    0xe5,
    (_disk, file, port) => {
      file.write(IdeRegister.count, 0xff)
      port.complete()
    },
  ],
])

/** SET FEATURES: anything but a DMA mode is as it should be already. */
function setFeatures(file: TaskFile, port: CommandPort): void {
  const dma = file.features === SET_TRANSFER_MODE && file.get(IdeRegister.count) >= FIRST_DMA_MODE
  if (dma) port.fail(IdeError.ABRT)
  else port.complete()
}

const SET_TRANSFER_MODE = 3
/** Transfer modes below are those of programmed I/O. */
const FIRST_DMA_MODE = 0x10

/** A hard disk on the emulated controller, by programmed I/O. */
export class IdeHardDisk implements IdeDrive {
  readonly signature = [0, 0] as const
  readonly packet = false
  readonly #backend: DiskBackend
  readonly #channel: number
  #multiple = MAX_MULTIPLE

  /** @throws RangeError for a disk that has other sectors than 512 bytes. */
  constructor(backend: DiskBackend, channel: number) {
    if (backend.logicalSectorSize !== SECTOR_BYTES)
      throw new RangeError(`sectors of ${backend.logicalSectorSize} bytes; an IDE disk has ${SECTOR_BYTES}`)
    this.#backend = backend
    this.#channel = channel
  }

  command(code: number, file: TaskFile, port: CommandPort): void {
    const handler = COMMANDS.get(code)
    if (handler === undefined) port.fail(IdeError.ABRT)
    else handler(this, file, port)
  }

  identity(): Uint8Array {
    return identifyDisk(this.#sectors, this.#channel, this.#multiple)
  }

  /** INITIALIZE DEVICE PARAMETERS: the geometry is the one that IDENTIFY tells, and no other. */
  setGeometry(file: TaskFile, port: CommandPort): void {
    const same = file.get(IdeRegister.count) === SECTORS_PER_TRACK && (file.device & 0x0f) + 1 === HEADS
    if (same) port.complete()
    else port.fail(IdeError.ABRT)
  }

  /** A power of two, or 0 for none. */
  setMultiple(file: TaskFile, port: CommandPort): void {
    const count = file.get(IdeRegister.count)
    if (count > MAX_MULTIPLE || (count & (count - 1)) !== 0) {
      port.fail(IdeError.ABRT)
      return
    }
    this.#multiple = count
    port.complete()
  }

  /** An interrupt for each block, which is a sector without `multiple`. */
  read(file: TaskFile, how: Addressing, port: CommandPort): void {
    const range = this.#range(file, how, port)
    if (range === undefined) return
    const block = how.multiple === true ? this.#multiple : 1
    this.#windows(
      range,
      (first, count, next) => {
        const bytes = new Uint8Array(count * SECTOR_BYTES)
        this.#work(
          () => this.#backend.read(first * SECTOR_BYTES, bytes),
          port,
          () => inBlocks(bytes, block, (part, then) => port.send(part, then), next),
        )
      },
      () => port.complete(true),
    )
  }

  /** The first block without an interrupt, one after each. */
  write(file: TaskFile, how: Addressing, port: CommandPort): void {
    const range = this.#range(file, how, port)
    if (range === undefined) return
    if (this.#backend.readOnly) {
      port.fail(IdeError.ABRT)
      return
    }
    const block = how.multiple === true ? this.#multiple : 1
    let quiet = true
    this.#windows(
      range,
      (first, count, next) => {
        const bytes = new Uint8Array(count * SECTOR_BYTES)
        const receive = (part: Uint8Array, then: () => void): void => {
          port.receive(part, quiet, then)
          quiet = false
        }
        inBlocks(bytes, block, receive, () => {
          this.#work(() => this.#backend.write(first * SECTOR_BYTES, bytes), port, next)
        })
      },
      () => (how.durable === true ? this.flush(port) : port.complete()),
    )
  }

  verify(file: TaskFile, how: Addressing, port: CommandPort): void {
    const range = this.#range(file, how, port)
    if (range === undefined) return
    const bytes = new Uint8Array(Math.min(range.left, WINDOW_SECTORS) * SECTOR_BYTES)
    this.#windows(
      range,
      (first, count, next) => {
        const target = bytes.subarray(0, count * SECTOR_BYTES)
        this.#work(() => this.#backend.read(first * SECTOR_BYTES, target), port, next)
      },
      () => port.complete(),
    )
  }

  flush(port: CommandPort): void {
    this.#work(
      () => this.#backend.flush(),
      port,
      () => port.complete(),
    )
  }

  get #sectors(): number {
    return Math.floor(this.#backend.sizeBytes / SECTOR_BYTES)
  }

  /** The sectors of a command; undefined when it has failed for what it asks. */
  #range(file: TaskFile, { extended = false, multiple }: Addressing, port: CommandPort): Range | undefined {
    const at = file.address(extended)
    const left = file.sectors(extended)
    if (multiple === true && this.#multiple === 0) port.fail(IdeError.ABRT)
    else if (at < 0 || at + left > this.#sectors) port.fail(IdeError.IDNF)
    else return { at, left }
    return undefined
  }

  /** A range in parts of a size that is moved to or from the image at once. */
  #windows(
    { at, left }: Range,
    work: (first: number, count: number, next: () => void) => void,
    done: () => void,
  ): void {
    const window = (): void => {
      if (left === 0) {
        done()
        return
      }
      const count = Math.min(left, WINDOW_SECTORS)
      const first = at
      at += count
      left -= count
      work(first, count, window)
    }
    window()
  }

  /** A failure of the image is a medium error of the disk, never one of ours. */
  #work(work: () => Promise<void> | undefined, port: CommandPort, then: () => void): void {
    const failed = (): void => port.fail(IdeError.UNC)
    try {
      const pending = work()
      if (pending === undefined) then()
      else pending.then(then, failed)
    } catch {
      failed()
    }
  }
}

interface Range {
  readonly at: number
  readonly left: number
}

/** Moves bytes a block of sectors at a time. */
function inBlocks(
  bytes: Uint8Array,
  sectors: number,
  move: (part: Uint8Array, then: () => void) => void,
  done: () => void,
): void {
  let at = 0
  const next = (): void => {
    if (at === bytes.length) {
      done()
      return
    }
    const part = bytes.subarray(at, at + sectors * SECTOR_BYTES)
    at += part.length
    move(part, next)
  }
  next()
}
