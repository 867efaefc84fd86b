import type { Kernel, Logger } from '@bis/hyperv-types'
import { DeviceError } from '@bis/hyperv-types'
import { PeripheralType, ScsiOpcode } from '@bis/hyperv-types/scsi'
import type { StorvscAdapter } from './adapter.ts'
import { command } from './command.ts'
import { ScsiDisk } from './disk.ts'
import type { DiskBus } from './disk-state.ts'
import { INQUIRY_BYTES, readInquiry } from './inquiry.ts'
import { asker, probeDisk } from './probe.ts'
import { Rounds } from './rounds.ts'
import type { ScsiAddress } from './scsi-address.ts'

/** Which addresses of a controller may have units. */
export interface BusShape {
  /** `storvsc0`, `blkvsc1`: as CAM names the interface module. */
  readonly simName: string
  /** Number of the CAM bus. */
  readonly busNumber: number
  readonly targets: readonly { readonly path: number; readonly target: number }[]
  /** Resolves when disks may be named: controllers that came earlier name theirs first. */
  readonly turn: () => Promise<void>
  /** One LUN, and no REPORT LUNS: an accelerated IDE disk. */
  readonly singleLun: boolean
}

interface AttachedUnit {
  readonly disk: ScsiDisk
  readonly remove: () => void
}

/** A LUN is one byte of the request block. */
const MAX_LUN = 255
const REPORT_BYTES = 8 + (MAX_LUN + 1) * 8

/** The units of one controller: finds them, attaches disks for them, and keeps up with what comes and goes. */
export class ScsiBus implements DiskBus {
  readonly adapter: StorvscAdapter
  readonly log: Logger
  readonly #kernel: Kernel
  readonly #shape: BusShape
  readonly #units = new Map<string, AttachedUnit>()
  readonly #rounds: Rounds
  #stopped = false
  /** SCSI commands that scans have cost. */
  commands = 0

  constructor(adapter: StorvscAdapter, kernel: Kernel, shape: BusShape) {
    this.adapter = adapter
    this.#kernel = kernel
    this.log = kernel.log
    this.#shape = shape
    this.#rounds = new Rounds(adapter.clock, () => this.#scan())
  }

  /** Disks attached now. */
  get disks(): readonly ScsiDisk[] {
    return [...this.#units.values()].map(({ disk }) => disk)
  }

  /** Compares what is there with what is attached; resolves when that has been done once. */
  rescan(): Promise<void> {
    return this.#rounds.request()
  }

  /** Detaches everything; nothing is found any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const place of [...this.#units.keys()]) this.#detach(place)
    await this.#rounds.stop()
  }

  async #scan(): Promise<void> {
    try {
      const found = await Promise.all(this.#shape.targets.map((target) => this.#scanTarget(target)))
      if (!this.#stopped) await this.#settle(found.flat())
    } catch (error) {
      if (this.#stopped || this.adapter.closed) return
      this.log.log('error', `${this.#shape.simName}: bus scan failed: ${messageOf(error)}`, 'scan')
    }
  }

  async #scanTarget({ path, target }: { path: number; target: number }): Promise<ScsiAddress[]> {
    const luns = this.#shape.singleLun ? [0] : await this.#reportLuns({ path, target, lun: 0 })
    return luns.map((lun) => ({ path, target, lun }))
  }

  async #reportLuns(address: ScsiAddress): Promise<number[]> {
    const data = new Uint8Array(REPORT_BYTES)
    const cdb = [ScsiOpcode.REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, REPORT_BYTES >>> 8, REPORT_BYTES & 0xff, 0, 0]
    this.commands++
    try {
      const { transferred } = await command(this.adapter, address, cdb, { dataIn: data })
      if (transferred < 8) return []
      const view = new DataView(data.buffer)
      const end = Math.min(8 + view.getUint32(0), transferred)
      const luns = new Set<number>()
      // Both addressing methods that name up to 256 LUNs have the number in the low 14 bits.
      for (let at = 8; at + 8 <= end; at += 8) luns.add(view.getUint16(at) & 0x3fff)
      return [...luns].filter((lun) => lun <= MAX_LUN).sort((a, b) => a - b)
    } catch (error) {
      if (error instanceof DeviceError && error.code === 'removed' && !this.adapter.closed) return []
      throw error
    }
  }

  /** Detaches what is gone, attaches what is new, and lets the rest say what has changed; side by side. */
  async #settle(found: readonly ScsiAddress[]): Promise<void> {
    const wanted = new Map(found.map((address) => [placeOf(address), address]))
    for (const place of [...this.#units.keys()]) if (!wanted.has(place)) this.#detach(place)
    await Promise.all(this.disks.map((disk) => this.#check(disk)))
    const arrivals = [...wanted].filter(([place]) => !this.#units.has(place))
    // Announced in the order of their addresses, however long each takes.
    const attaches = await Promise.all(arrivals.map(([, address]) => this.#identify(address)))
    await this.#shape.turn()
    for (const attach of attaches) attach?.()
  }

  /** What is no longer the same unit goes; if there is another one, it is new. */
  async #check(disk: ScsiDisk): Promise<void> {
    this.commands += 2
    if (!(await disk.check())) this.#detach(placeOf(disk.address))
  }

  async #inquire(address: ScsiAddress): Promise<ReturnType<typeof readInquiry>> {
    const data = new Uint8Array(INQUIRY_BYTES)
    this.commands++
    try {
      const cdb = [ScsiOpcode.INQUIRY, 0, 0, 0, INQUIRY_BYTES, 0]
      const { transferred } = await command(this.adapter, address, cdb, { dataIn: data })
      return readInquiry(data, transferred, this.adapter.negotiated?.version ?? 0)
    } catch (error) {
      if (this.adapter.closed) throw error
      return readInquiry(data, 0, 0)
    }
  }

  /** @returns how to attach the unit, or undefined when there is none that a driver of ours takes. */
  async #identify(address: ScsiAddress): Promise<(() => void) | undefined> {
    const inquiry = await this.#inquire(address)
    if (!inquiry.present) return undefined
    const prefix = PREFIXES.get(inquiry.type)
    if (prefix === undefined) {
      this.log.log('info', `${this.#where(address)}: no driver for devices of type ${inquiry.type}`)
      return undefined
    }
    try {
      const ask = asker(this.adapter, address)
      this.commands++
      const facts = await probeDisk(ask, inquiry, this.adapter.maxTransferBytes)
      return () => {
        if (this.#stopped) return
        const { item, remove } = this.#kernel.disks.add(prefix, (name) => {
          const disk = new ScsiDisk({ name, address, inquiry }, facts, this)
          this.log.log('info', `${name} at ${this.#where(address)}`)
          for (const line of disk.announcement) this.log.log('info', line)
          return disk
        })
        this.#units.set(placeOf(address), { disk: item, remove })
      }
    } catch (error) {
      if (this.adapter.closed) throw error
      this.log.log('error', `${this.#where(address)}: probing failed: ${messageOf(error)}`)
      return undefined
    }
  }

  #detach(place: string): void {
    const unit = this.#units.get(place)
    if (unit === undefined) return
    this.#units.delete(place)
    const { disk } = unit
    this.log.log('info', `${disk.name} at ${this.#where(disk.address)}`)
    this.log.log('info', `${disk.name}: <${disk.description}> detached`)
    unit.remove()
    disk.remove()
  }

  #where({ path, target, lun }: ScsiAddress): string {
    const { simName, busNumber } = this.#shape
    return `${simName} bus ${path} scbus${busNumber} target ${target} lun ${lun}`
  }
}

/** Device types with a driver, and what their units are called. */
const PREFIXES: ReadonlyMap<number, string> = new Map([
  [PeripheralType.DIRECT_ACCESS, 'da'],
  [PeripheralType.CD_DVD, 'cd'],
])

function placeOf({ path, target, lun }: ScsiAddress): string {
  return `${path}:${target}:${lun}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
