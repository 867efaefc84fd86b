import type { SenseCode } from '@bis/hyperv-types/scsi'
import { ScsiOpcode, Sense } from '@bis/hyperv-types/scsi'
import { absentInquiry } from './inquiry.ts'
import type { LogicalUnit, UnitAddress } from './logical-unit.ts'
import type { ScsiRequest } from './request.ts'

const UNIT_NUMBERS = 256

/**
 * The devices of one controller by path, target and LUN. Answers for LUNs that are not there and for the controller as a
 * whole (REPORT LUNS), and passes on everything else.
 */
export class ScsiTarget {
  readonly #units = new Map<number, LogicalUnit>()
  readonly #listeners = new Set<() => void>()
  /** The unit of the last command: most go to the same. */
  #lastPlace = -1
  #lastUnit: LogicalUnit | undefined = undefined

  get size(): number {
    return this.#units.size
  }

  /** Calls the listener after every arrival and departure; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  unitAt(address: UnitAddress): LogicalUnit | undefined {
    return this.#units.get(placeOf(address.path, address.target, address.lun))
  }

  /** @throws RangeError when the address is taken or is none. */
  attach(address: UnitAddress, unit: LogicalUnit): void {
    const { path, target, lun } = address
    const name = `path ${path} target ${target} LUN ${lun}`
    if (![path, target, lun].every((n) => Number.isInteger(n) && n >= 0 && n < UNIT_NUMBERS)) {
      throw new RangeError(`${name}: each is a number from 0 to 255`)
    }
    const place = placeOf(path, target, lun)
    if (this.#units.has(place)) throw new RangeError(`${name} is taken; detach what is there first`)
    for (const other of this.#units.values()) other.raiseAttention(Sense.REPORTED_LUNS_DATA_HAS_CHANGED)
    this.#units.set(place, unit)
    this.#lastPlace = -1
    unit.onChange?.(() => this.announce())
    this.announce()
  }

  /** Takes the unit away; commands it is working on still end. @returns it, or undefined when there was none. */
  detach({ path, target, lun }: UnitAddress): LogicalUnit | undefined {
    const place = placeOf(path, target, lun)
    const unit = this.#units.get(place)
    if (unit === undefined) return undefined
    this.#units.delete(place)
    this.#lastPlace = -1
    for (const other of this.#units.values()) other.raiseAttention(Sense.REPORTED_LUNS_DATA_HAS_CHANGED)
    this.announce()
    return unit
  }

  /** Asks the guest to look again: for a resize, say, that it would otherwise see with its next command only. */
  announce(): void {
    for (const listener of this.#listeners) listener()
  }

  /** RESET of a LUN, or with no address of all: work in hand goes on, the initiator is told of the reset. */
  reset(sense: SenseCode, address?: UnitAddress): void {
    if (address !== undefined) this.unitAt(address)?.raiseAttention(sense)
    else for (const unit of this.#units.values()) unit.raiseAttention(sense)
  }

  /** Does a command, as {@link LogicalUnit.execute}. */
  execute(request: ScsiRequest): Promise<void> | undefined {
    if (request.opcode === ScsiOpcode.REPORT_LUNS) return this.#reportLuns(request)
    const unit = this.#find(placeOf(request.path, request.target, request.lun))
    if (unit !== undefined) return unit.execute(request)
    return request.opcode === ScsiOpcode.INQUIRY ? absentInquiry(request) : request.noUnit()
  }

  #find(place: number): LogicalUnit | undefined {
    if (place === this.#lastPlace) return this.#lastUnit
    this.#lastPlace = place
    this.#lastUnit = this.#units.get(place)
    return this.#lastUnit
  }

  /** Answered for any path and target, with the LUNs there, of which there may be none. */
  #reportLuns(request: ScsiRequest): undefined {
    if (request.byte(2) > 2) return request.check(Sense.INVALID_FIELD_IN_CDB, 2)
    const first = placeOf(request.path, request.target, 0)
    const luns: number[] = []
    for (let lun = 0; lun < UNIT_NUMBERS; lun++) if (this.#units.has(first + lun)) luns.push(lun)
    const answer = new Uint8Array(8 + luns.length * 8)
    const view = new DataView(answer.buffer)
    view.setUint32(0, luns.length * 8)
    for (const [i, lun] of luns.entries()) view.setUint16(8 + i * 8, lun)
    if (request.data.length < 8) return request.good()
    return request.reply(answer, request.view.getUint32(6))
  }
}

function placeOf(path: number, target: number, lun: number): number {
  return (path * UNIT_NUMBERS + target) * UNIT_NUMBERS + lun
}
