import type { BlockDevice, BlockDeviceEvent, BlockGeometry } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { AtaError } from './ata-port.ts'
import type { AttachedAtaUnit } from './ata-unit.ts'

const BLOCK = 2048
const MAX_BLOCKS = 16
const PART = 0xf000
const DATA_TO_GUEST = 2
const NOT_READY = 2
const UNIT_ATTENTION = 6

/** `cd0`: the optical drive, by SCSI commands in ATA packets. */
export class AtaOptical implements BlockDevice {
  readonly name: string
  readonly description: string
  geometry: BlockGeometry
  readonly #unit: AttachedAtaUnit
  readonly #listeners = new Set<(event: BlockDeviceEvent) => void>()

  constructor(name: string, unit: AttachedAtaUnit) {
    this.name = name
    this.#unit = unit
    this.description = `${unit.model} ${unit.revision}`
    this.geometry = geometryOf(0)
  }

  /** Looks what medium there is. */
  async start(): Promise<void> {
    const answer = new Uint8Array(8)
    try {
      await this.#packet([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], answer)
      this.geometry = geometryOf(new DataView(answer.buffer).getUint32(0) + 1)
    } catch (error) {
      if (!(error instanceof DeviceError) || error.code !== 'no-media') throw error
    }
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    if (offset % BLOCK !== 0 || target.length % BLOCK !== 0)
      throw new DeviceError('invalid-argument', `${this.name}: ${target.length} bytes at ${offset}: no whole blocks`)
    if (this.geometry.blockCount === 0) throw new DeviceError('no-media', `${this.name}: no medium`)
    for (let at = 0; at < target.length; at += MAX_BLOCKS * BLOCK) {
      const blocks = Math.min(MAX_BLOCKS, (target.length - at) / BLOCK)
      const cdb = new Uint8Array(12)
      cdb[0] = 0x28
      new DataView(cdb.buffer).setUint32(2, (offset + at) / BLOCK)
      new DataView(cdb.buffer).setUint16(7, blocks)
      await this.#packet([...cdb], target.subarray(at, at + blocks * BLOCK))
    }
  }

  async write(): Promise<void> {
    throw new DeviceError('read-only', `${this.name} cannot be written`)
  }

  async flush(): Promise<void> {}

  async trim(): Promise<void> {
    throw new DeviceError('not-supported', `${this.name} cannot be trimmed`)
  }

  onEvent(listener: (event: BlockDeviceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  remove(): void {
    for (const listener of this.#listeners) listener({ type: 'removed' })
  }

  /** A unit attention is told once, so the command is given again. */
  async #packet(cdb: readonly number[], target: Uint8Array): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.#unit.port.exclusive(() => this.#move(cdb, target))
        return
      } catch (error) {
        if (!(error instanceof AtaError)) throw error
        const key = error.bits >> 4
        if (key === NOT_READY) throw new DeviceError('no-media', `${this.name}: no medium`)
        if (key !== UNIT_ATTENTION || tries > 2) throw error
      }
    }
  }

  async #move(cdb: readonly number[], target: Uint8Array): Promise<void> {
    const { port, target: place } = this.#unit
    port.start({ device: 0xa0 | (place << 4), command: 0xa0, address: [0, PART % 256, PART >> 8] })
    await port.ready()
    port.write(Uint8Array.from({ length: 12 }, (_, i) => cdb[i] ?? 0))
    for (let at = 0; ; ) {
      await port.interrupt()
      if ((port.register(2) & 3) !== DATA_TO_GUEST) return
      const length = port.register(4) + port.register(5) * 256
      const part = new Uint8Array(length)
      port.read(part)
      target.set(part.subarray(0, Math.max(0, target.length - at)), at)
      at = Math.min(at + length, target.length)
    }
  }
}

function geometryOf(blockCount: number): BlockGeometry {
  return {
    blockSize: BLOCK,
    physicalBlockSize: BLOCK,
    blockCount,
    readOnly: true,
    maxTransferBytes: MAX_BLOCKS * BLOCK,
  }
}
