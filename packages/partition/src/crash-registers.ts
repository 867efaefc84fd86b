import type { CrashReport, GuestMemory } from '@bis/hyperv-types'
import { joinWords } from '@bis/hyperv-types'
import { crashControl } from '@bis/hyperv-types/hypervisor'

const PARAMETER_COUNT = 5
/** Longest message a guest may leave. */
const MAX_MESSAGE_BYTES = 4096
/** What reading the control register says that this hypervisor does with a report. */
const SUPPORTED = crashControl.encode({ crash_notify: 1, crash_message: 1 })

/** The crash registers of a partition: five parameters, and the control register whose write commits them. */
export class CrashRegisters {
  readonly #memory: GuestMemory
  readonly #committed: (report: CrashReport) => void
  readonly #parameters = new BigUint64Array(PARAMETER_COUNT)

  constructor(memory: GuestMemory, committed: (report: CrashReport) => void) {
    this.#memory = memory
    this.#committed = committed
  }

  get control(): bigint {
    return SUPPORTED
  }

  set control(value: bigint) {
    const { crash_notify, crash_message } = crashControl.decode(value)
    if (crash_notify === 0) return
    const message = crash_message === 1 ? this.#message() : undefined
    const [p0 = 0n, p1 = 0n, p2 = 0n, p3 = 0n, p4 = 0n] = this.#parameters
    this.#committed({
      parameters: [p0, p1, p2, p3, p4],
      control: value,
      ...(message === undefined ? {} : { message }),
    })
  }

  parameter(index: number): bigint {
    return this.#parameters[index] ?? 0n
  }

  setParameter(index: number, value: bigint): void {
    this.#parameters[index] = value
  }

  reset(): void {
    this.#parameters.fill(0n)
  }

  /** The text that P3 and P4 name, or undefined when they name no memory. */
  #message(): string | undefined {
    const address = this.parameter(3)
    const gpa = joinWords(Number(BigInt.asUintN(32, address)), Number(address >> 32n))
    const byteLength = this.parameter(4)
    if (gpa < 0 || byteLength === 0n || byteLength > BigInt(MAX_MESSAGE_BYTES)) return undefined
    const text = new Uint8Array(Number(byteLength))
    if (!this.#memory.read(gpa, text)) return undefined
    const end = text.indexOf(0)
    return new TextDecoder().decode(end < 0 ? text : text.subarray(0, end))
  }
}
