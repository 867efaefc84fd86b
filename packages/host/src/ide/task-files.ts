import type { IdeDrive } from './drive.ts'
import { TaskFile } from './registers.ts'

type Drives = readonly (IdeDrive | undefined)[]

/**
 * The command blocks of a channel: each drive has its own, and takes what is written whichever is selected. Device 0
 * answers for a device 1 that is not there: a disk with its own registers, a packet device with zeros.
 * Source: ATA/ATAPI-6, 9.16 (device 0 only configurations).
 */
export class TaskFiles {
  readonly #drives: Drives
  readonly #files = [new TaskFile(), new TaskFile()] as const

  constructor(drives: Drives) {
    this.#drives = drives
  }

  /** Number of the selected device. */
  get selected(): 0 | 1 {
    return (this.#files[0].device & 0x10) === 0 ? 0 : 1
  }

  get device(): number {
    return this.#files[0].device
  }

  set device(value: number) {
    for (const file of this.#files) file.device = value
  }

  set features(value: number) {
    for (const file of this.#files) file.features = value
  }

  /** The command block of one drive. */
  of(drive: number): TaskFile {
    return this.#files[drive === 0 ? 0 : 1]
  }

  read(register: number, previous: boolean): number {
    const { selected } = this
    if (this.#drives[selected] !== undefined) return this.of(selected).get(register, previous)
    const other = this.#drives[1 - selected]
    return other === undefined || other.packet ? 0 : this.of(1 - selected).get(register, previous)
  }

  write(register: number, value: number): void {
    for (const file of this.#files) file.write(register, value)
  }

  /** What a drive shows after a reset, by which one knows its kind. */
  sign(drive: number): void {
    const [mid, high] = this.#drives[drive]?.signature ?? [0, 0]
    this.of(drive).setSignature(mid, high)
  }
}
