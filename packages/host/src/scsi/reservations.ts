import type { SenseCode } from '@bis/hyperv-types/scsi'
import { Sense } from '@bis/hyperv-types/scsi'
import type { ScsiRequest } from './request.ts'
import { isConflict } from './reservation-conflicts.ts'

/** Types of persistent reservation. Source: SPC-4 6.15.3.4. */
export const ReservationType = {
  writeExclusive: 1,
  exclusiveAccess: 3,
  writeExclusiveRegistrants: 5,
  exclusiveAccessRegistrants: 6,
  writeExclusiveAll: 7,
  exclusiveAccessAll: 8,
} as const

export const RESERVATION_TYPES: ReadonlySet<number> = new Set(Object.values(ReservationType))

/** Every registrant holds a reservation of these types. */
export function heldByAll(type: number): boolean {
  return type >= ReservationType.writeExclusiveAll
}

/** What a registered initiator that is no holder keeps. */
function registrantsOnly(type: number): boolean {
  return type >= ReservationType.writeExclusiveRegistrants
}

/** 8 bytes as text, so that keys compare; '0000000000000000' is no key. */
export type ReservationKey = string
export const NO_KEY: ReservationKey = '0'.repeat(16)

/** What a persistent reserve out command came to: `false` is RESERVATION CONFLICT. */
export type ReservationOutcome = boolean | SenseCode

export interface Reservation {
  /** One of the holders; all registrants when the type says so. */
  holder: Nexus
  key: ReservationKey
  type: number
}

/**
 * The persistent reservations of one disk, which several controllers may share. Registrations are kept in memory only
 * (PTPL is not offered). Source: SPC-4 5.12.
 */
export class Reservations {
  generation = 0
  reservation: Reservation | undefined
  readonly registrations = new Map<Nexus, ReservationKey>()

  /** The place of one more initiator. */
  nexus(): Nexus {
    return new Nexus(this)
  }

  holds(nexus: Nexus): boolean {
    const { reservation } = this
    if (reservation === undefined) return false
    return heldByAll(reservation.type) ? this.registrations.has(nexus) : reservation.holder === nexus
  }

  register(nexus: Nexus, key: ReservationKey, newKey: ReservationKey, ignoreKey: boolean): ReservationOutcome {
    const current = this.registrations.get(nexus)
    if (!ignoreKey && key !== (current ?? NO_KEY)) return false
    if (newKey === NO_KEY) {
      if (current !== undefined) this.#unregister(nexus)
    } else {
      this.registrations.set(nexus, newKey)
      if (this.reservation?.holder === nexus) this.reservation.key = newKey
    }
    this.generation++
    return true
  }

  reserve(nexus: Nexus, key: ReservationKey, type: number): ReservationOutcome {
    if (!this.#isRegistered(nexus, key)) return false
    if (this.reservation === undefined) this.reservation = { holder: nexus, key, type }
    return this.holds(nexus) && this.reservation.type === type
  }

  release(nexus: Nexus, key: ReservationKey, type: number): ReservationOutcome {
    if (!this.#isRegistered(nexus, key)) return false
    if (!this.holds(nexus)) return true
    if (this.reservation?.type !== type) return Sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION
    this.reservation = undefined
    if (registrantsOnly(type)) this.#tellOthers(nexus, Sense.RESERVATIONS_RELEASED)
    return true
  }

  clear(nexus: Nexus, key: ReservationKey): ReservationOutcome {
    if (!this.#isRegistered(nexus, key)) return false
    this.#tellOthers(nexus, Sense.RESERVATIONS_PREEMPTED)
    this.registrations.clear()
    this.reservation = undefined
    this.generation++
    return true
  }

  preempt(nexus: Nexus, key: ReservationKey, victim: ReservationKey, type: number): ReservationOutcome {
    if (!this.#isRegistered(nexus, key)) return false
    const { reservation } = this
    const allHold = reservation !== undefined && heldByAll(reservation.type)
    if (victim === NO_KEY && !allHold) return Sense.INVALID_FIELD_IN_PARAMETER_LIST
    const takesOver = allHold ? victim === NO_KEY : reservation?.key === victim
    const victims = [...this.registrations]
      .filter(([other, otherKey]) => other !== nexus && (otherKey === victim || victim === NO_KEY))
      .map(([other]) => other)
    if (victims.length === 0 && !takesOver && this.registrations.get(nexus) !== victim) return false
    for (const other of victims) {
      this.registrations.delete(other)
      other.attention(Sense.REGISTRATIONS_PREEMPTED)
    }
    if (allHold && victims.includes(reservation.holder)) reservation.holder = nexus
    if (takesOver) {
      const released = reservation?.type !== type
      this.reservation = { holder: nexus, key, type }
      if (released) this.#tellOthers(nexus, Sense.RESERVATIONS_RELEASED)
    } else if (victim === key) {
      this.#unregister(nexus)
    }
    this.generation++
    return true
  }

  #isRegistered(nexus: Nexus, key: ReservationKey): boolean {
    return this.registrations.get(nexus) === key
  }

  #unregister(nexus: Nexus): void {
    const held = this.holds(nexus)
    this.registrations.delete(nexus)
    const { reservation } = this
    if (!held || reservation === undefined) return
    const [next] = this.registrations.keys()
    if (heldByAll(reservation.type) && next !== undefined) {
      reservation.holder = next
      return
    }
    this.reservation = undefined
    if (registrantsOnly(reservation.type)) this.#tellOthers(nexus, Sense.RESERVATIONS_RELEASED)
  }

  #tellOthers(nexus: Nexus, sense: SenseCode): void {
    for (const other of this.registrations.keys()) if (other !== nexus) other.attention(sense)
  }
}

/** One initiator (one controller of one guest) as the reservations of a disk see it. */
export class Nexus {
  readonly reservations: Reservations
  #listener: ((sense: SenseCode) => void) | undefined

  constructor(reservations: Reservations) {
    this.reservations = reservations
  }

  onAttention(listener: (sense: SenseCode) => void): void {
    this.#listener = listener
  }

  attention(sense: SenseCode): void {
    this.#listener?.(sense)
  }

  /** Whether another initiator's reservation forbids the command. */
  conflicts(request: ScsiRequest): boolean {
    const { reservation, registrations } = this.reservations
    if (reservation === undefined || this.reservations.holds(this)) return false
    return isConflict(request, reservation.type, registrations.has(this))
  }
}
