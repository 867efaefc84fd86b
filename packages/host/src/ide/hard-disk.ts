import type { DiskBackend } from '../scsi/backend.ts'
import type { CommandPort, IdeDrive } from './drive.ts'
import { identifyDisk } from './identify.ts'
import type { TaskFile } from './registers.ts'
import { IdeError, IdeRegister, SECTOR_BYTES } from './registers.ts'

/** Sectors moved to or from the image at once. */
const WINDOW_SECTORS = 128

type Handler = (disk: IdeHardDisk, file: TaskFile, port: CommandPort) => void

const done: Handler = (_disk, _file, port) => port.complete()
const read =
  (extended: boolean): Handler =>
  (disk, file, port) =>
    disk.read(file, extended, port)
const write =
  (extended: boolean): Handler =>
  (disk, file, port) =>
    disk.write(file, extended, port)
const verify =
  (extended: boolean): Handler =>
  (disk, file, port) =>
    disk.verify(file, extended, port)

/** Commands by code; every other is aborted. Source: ATA/ATAPI-6, and what Hyper-V's controller takes, without DMA. */
const COMMANDS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [0xec, (disk, _file, port) => port.send(disk.identity(), () => port.complete(true))],
  [0x20, read(false)],
  [0x21, read(false)],
  [0x24, read(true)],
  [0x30, write(false)],
  [0x31, write(false)],
  [0x34, write(true)],
  [0x40, verify(false)],
  [0x41, verify(false)],
  [0x42, verify(true)],
  [0xe7, (disk, _file, port) => disk.flush(port)],
  [0xea, (disk, _file, port) => disk.flush(port)],
  // INITIALIZE DEVICE PARAMETERS, power management, SET FEATURES: nothing to do.
  ...[0x91, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xef].map((code): [number, Handler] => [code, done]),
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

/** A hard disk on the emulated controller, by programmed I/O. */
export class IdeHardDisk implements IdeDrive {
  readonly signature = [0, 0] as const
  readonly packet = false
  readonly #backend: DiskBackend
  readonly #channel: number

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
    return identifyDisk(this.#sectors, this.#channel)
  }

  /** An interrupt for each sector. */
  read(file: TaskFile, extended: boolean, port: CommandPort): void {
    const range = this.#range(file, extended)
    if (range === undefined) {
      port.fail(IdeError.IDNF)
      return
    }
    let { at, left } = range
    const window = (): void => {
      if (left === 0) {
        port.complete(true)
        return
      }
      const count = Math.min(left, WINDOW_SECTORS)
      const bytes = new Uint8Array(count * SECTOR_BYTES)
      const first = at
      at += count
      left -= count
      this.#work(this.#backend.read.bind(this.#backend, first * SECTOR_BYTES, bytes), port, () => {
        let sector = 0
        const next = (): void => {
          if (sector === count) {
            window()
            return
          }
          sector++
          port.send(bytes.subarray((sector - 1) * SECTOR_BYTES, sector * SECTOR_BYTES), next)
        }
        next()
      })
    }
    window()
  }

  /** The first sector without an interrupt, one after each. */
  write(file: TaskFile, extended: boolean, port: CommandPort): void {
    const range = this.#range(file, extended)
    if (range === undefined) {
      port.fail(IdeError.IDNF)
      return
    }
    if (this.#backend.readOnly) {
      port.fail(IdeError.ABRT)
      return
    }
    let { at, left } = range
    let quiet = true
    const window = (): void => {
      if (left === 0) {
        port.complete()
        return
      }
      const count = Math.min(left, WINDOW_SECTORS)
      const bytes = new Uint8Array(count * SECTOR_BYTES)
      const first = at
      at += count
      left -= count
      let sector = 0
      const next = (): void => {
        if (sector === count) {
          this.#work(this.#backend.write.bind(this.#backend, first * SECTOR_BYTES, bytes), port, window)
          return
        }
        sector++
        port.receive(bytes.subarray((sector - 1) * SECTOR_BYTES, sector * SECTOR_BYTES), quiet, next)
        quiet = false
      }
      next()
    }
    window()
  }

  verify(file: TaskFile, extended: boolean, port: CommandPort): void {
    if (this.#range(file, extended) === undefined) port.fail(IdeError.IDNF)
    else port.complete()
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

  #range(file: TaskFile, extended: boolean): { at: number; left: number } | undefined {
    const at = file.address(extended)
    const left = file.sectors(extended)
    return at < 0 || at + left > this.#sectors ? undefined : { at, left }
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
