import type { BlockDevice, BlockDeviceEvent, BlockGeometry } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import type { AttachedAtaUnit } from './ata-unit.ts'

const SECTOR = 512
/** Sectors of one command. */
const MAX_SECTORS = 256

/** `ada0`: a hard disk by programmed I/O. */
export class AtaDisk implements BlockDevice {
  readonly name: string
  readonly description: string
  readonly geometry: BlockGeometry
  readonly #unit: AttachedAtaUnit
  readonly #listeners = new Set<(event: BlockDeviceEvent) => void>()
  #removed = false

  constructor(name: string, unit: AttachedAtaUnit) {
    this.name = name
    this.#unit = unit
    this.description = `${unit.model} ${unit.revision}`
    const word = (index: number): number => unit.identity.getUint16(index * 2, true)
    const large = (word(83) & 0x400) !== 0
    const blockCount = large
      ? word(100) + word(101) * 2 ** 16 + word(102) * 2 ** 32 + word(103) * 2 ** 48
      : word(60) + word(61) * 2 ** 16
    this.geometry = {
      blockSize: SECTOR,
      physicalBlockSize: SECTOR,
      blockCount,
      readOnly: false,
      maxTransferBytes: MAX_SECTORS * SECTOR,
    }
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    await this.#each(offset, target.length, 0x24, async (at, sectors) => {
      for (let i = 0; i < sectors; i++) {
        await this.#unit.port.interrupt()
        this.#unit.port.read(target.subarray(at + i * SECTOR, at + (i + 1) * SECTOR))
      }
    })
  }

  async write(offset: number, source: Uint8Array, options: { durable?: boolean } = {}): Promise<void> {
    await this.#each(offset, source.length, 0x34, async (at, sectors) => {
      await this.#unit.port.ready()
      for (let i = 0; i < sectors; i++) {
        this.#unit.port.write(source.subarray(at + i * SECTOR, at + (i + 1) * SECTOR))
        await this.#unit.port.interrupt()
      }
    })
    if (options.durable === true) await this.flush()
  }

  async flush(): Promise<void> {
    await this.#exclusive(async () => {
      this.#unit.port.start({ device: this.#device, command: 0xea })
      await this.#unit.port.interrupt()
    })
  }

  async trim(): Promise<void> {
    throw new DeviceError('not-supported', `${this.name} cannot be trimmed`)
  }

  onEvent(listener: (event: BlockDeviceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  remove(): void {
    this.#removed = true
    for (const listener of this.#listeners) listener({ type: 'removed' })
  }

  get #device(): number {
    return 0xe0 | (this.#unit.target << 4)
  }

  async #each(
    offset: number,
    length: number,
    command: number,
    move: (at: number, sectors: number) => Promise<void>,
  ): Promise<void> {
    const { blockCount } = this.geometry
    if (offset % SECTOR !== 0 || length % SECTOR !== 0)
      throw new DeviceError('invalid-argument', `${this.name}: ${length} bytes at ${offset}: no whole sectors`)
    if (offset < 0 || offset + length > blockCount * SECTOR)
      throw new DeviceError('out-of-range', `${this.name}: ${length} bytes at ${offset} of ${blockCount * SECTOR}`)
    for (let at = 0; at < length; at += MAX_SECTORS * SECTOR) {
      const sectors = Math.min(MAX_SECTORS, (length - at) / SECTOR)
      const first = (offset + at) / SECTOR
      const byte = (index: number): number => Math.floor(first / 2 ** (8 * index)) % 256
      await this.#exclusive(async () => {
        this.#unit.port.start({
          device: this.#device,
          command,
          count: sectors % 256,
          address: [byte(0), byte(1), byte(2)],
          previous: [Math.floor(sectors / 256), byte(3), byte(4), byte(5)],
        })
        await move(at, sectors)
      })
    }
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    return this.#unit.port.exclusive(() => {
      if (this.#removed) throw new DeviceError('removed', `${this.name} is gone`)
      return work()
    })
  }
}
