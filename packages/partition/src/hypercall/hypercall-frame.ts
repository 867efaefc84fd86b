import type { GuestMemory } from '@bis/hyperv-types'
import { joinWords, PAGE_SIZE } from '@bis/hyperv-types'
import {
  HvStatus,
  HYPERCALL_ALIGNMENT,
  HYPERCALL_CODE_MASK,
  HYPERCALL_FAST,
  HYPERCALL_FAST_BYTES,
} from '@bis/hyperv-types/hypervisor'

const TWO_32 = 0x1_0000_0000

/**
 * One hypercall's registers and its input, copied out of the guest's memory once. One frame serves every call of a
 * partition; nothing here allocates.
 *
 * Control: code 15:0, fast 16, variable header size in qwords 26:17, nested 31, rep count 43:32, rep start 59:48.
 * Source: TLFS, "Hypercall inputs".
 */
export class HypercallFrame {
  code = 0
  fast = false
  variableHeaderBytes = 0
  repCount = 0
  repStart = 0
  /** Reserved bits or the nested bit are set. */
  malformed = false
  inputLow = 0
  inputHigh = 0
  outputLow = 0
  outputHigh = 0
  /** Private copy of the input; what lies beyond the input of this call is left over from another one. */
  readonly input = new DataView(new ArrayBuffer(PAGE_SIZE))
  readonly inputBytes = new Uint8Array(this.input.buffer)

  setControl(low: number, high: number): void {
    this.code = low & HYPERCALL_CODE_MASK
    this.fast = (low & HYPERCALL_FAST) !== 0
    this.variableHeaderBytes = ((low >>> 17) & 0x3ff) * 8
    this.repCount = high & 0xfff
    this.repStart = (high >>> 16) & 0xfff
    this.malformed = (low & 0xf800_0000) !== 0 || (high & 0xf000_f000) !== 0
  }

  /** Register contents as exact numbers. */
  setNumbers(control: number, input: number, output: number): void {
    this.setControl(control >>> 0, Math.floor(control / TWO_32) >>> 0)
    this.inputLow = input >>> 0
    this.inputHigh = Math.floor(input / TWO_32) >>> 0
    this.outputLow = output >>> 0
    this.outputHigh = Math.floor(output / TWO_32) >>> 0
  }

  setBigInts(control: bigint, input: bigint, output: bigint): void {
    this.setControl(lowWord(control), lowWord(control >> 32n))
    this.inputLow = lowWord(input)
    this.inputHigh = lowWord(input >> 32n)
    this.outputLow = lowWord(output)
    this.outputHigh = lowWord(output >> 32n)
  }

  /** Brings `byteLength` bytes of input into {@link input}, from the registers or from memory. @returns an HV_STATUS. */
  fetchInput(memory: GuestMemory, byteLength: number): number {
    if (this.fast) return this.#fetchRegisters(byteLength)
    if (this.inputLow % HYPERCALL_ALIGNMENT !== 0) return HvStatus.INVALID_ALIGNMENT
    if ((this.inputLow % PAGE_SIZE) + byteLength > PAGE_SIZE) return HvStatus.INVALID_HYPERCALL_INPUT
    const gpa = joinWords(this.inputLow, this.inputHigh)
    const region = gpa < 0 ? undefined : memory.regionAt(gpa, byteLength)
    if (region === undefined) return HvStatus.INVALID_HYPERCALL_INPUT
    const offset = gpa - region.gpa
    for (let i = 0; i < byteLength; i += 4) this.input.setInt32(i, region.view.getInt32(offset + i))
    return HvStatus.SUCCESS
  }

  #fetchRegisters(byteLength: number): number {
    if (byteLength > HYPERCALL_FAST_BYTES) return HvStatus.INVALID_HYPERCALL_INPUT
    this.input.setUint32(0, this.inputLow, true)
    this.input.setUint32(4, this.inputHigh, true)
    this.input.setUint32(8, this.outputLow, true)
    this.input.setUint32(12, this.outputHigh, true)
    return HvStatus.SUCCESS
  }

  /** Where the output of `byteLength` bytes goes, or an HV_STATUS as a negative number. */
  outputAddress(memory: GuestMemory, byteLength: number): number {
    if (this.fast) return -HvStatus.INVALID_HYPERCALL_INPUT
    if (this.outputLow % HYPERCALL_ALIGNMENT !== 0) return -HvStatus.INVALID_ALIGNMENT
    if ((this.outputLow % PAGE_SIZE) + byteLength > PAGE_SIZE) return -HvStatus.INVALID_HYPERCALL_INPUT
    const gpa = joinWords(this.outputLow, this.outputHigh)
    return gpa >= 0 && memory.contains(gpa, byteLength) ? gpa : -HvStatus.INVALID_HYPERCALL_INPUT
  }
}

function lowWord(value: bigint): number {
  return Number(value & 0xffff_ffffn)
}
