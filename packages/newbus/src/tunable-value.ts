import type { SysctlValue, TunableSysctl, Tunables } from '@bis/hyperv-types'

const INT_MIN = -(2 ** 31)
const INT_MAX = 2 ** 31 - 1

/**
 * The value of a sysctl that is a tunable. What is no number, or none that a C `int` holds, counts as not said.
 * Source: FreeBSD head, sys/kern/kern_sysctl.c (sysctl_register_oid), sys/kern/kern_environment.c (getenv_array).
 */
export class TunableValue {
  readonly #name: string
  readonly #min: number
  readonly #max: number
  #value: number | string

  /** @param name full name, by which the loader knows it */
  constructor(name: string, { value, min = INT_MIN, max = INT_MAX }: TunableSysctl) {
    this.#name = name
    this.#value = value
    this.#min = min
    this.#max = max
  }

  readonly get = (): SysctlValue => this.#value

  readonly set = (value: SysctlValue): void => {
    if (typeof this.#value === 'string') {
      this.#value = String(value)
      return
    }
    const number = Number(value)
    if (number < this.#min || number > this.#max) throw new RangeError(`${this.#min} to ${this.#max}`)
    this.#value = number
  }

  fetch(loader: Tunables): void {
    if (typeof this.#value === 'string') {
      this.#value = loader.get(this.#name) ?? this.#value
      return
    }
    const said = loader.getInt(this.#name)
    if (said === undefined || said < INT_MIN || said > INT_MAX) return
    this.#value = Math.min(this.#max, Math.max(this.#min, said))
  }
}
