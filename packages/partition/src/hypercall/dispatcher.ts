import type { GuestMemory } from '@bis/hyperv-types'
import { HvStatus } from '@bis/hyperv-types/hypervisor'
import type { VirtualProcessor } from '../virtual-processor.ts'
import type { Hypercall } from './call.ts'
import type { HypercallFrame } from './hypercall-frame.ts'

/** The generic rules of the hypercall interface, the same for every call. */
export class HypercallDispatcher {
  readonly #memory: GuestMemory
  readonly #calls = new Map<number, Hypercall>()

  constructor(memory: GuestMemory, calls: readonly Hypercall[]) {
    this.#memory = memory
    for (const call of calls) this.#calls.set(call.code, call)
  }

  /** @returns an HV_STATUS; nothing was written to the output when it is a failure. */
  dispatch(vp: VirtualProcessor, frame: HypercallFrame): number {
    if (frame.malformed) return HvStatus.INVALID_HYPERCALL_INPUT
    const call = this.#calls.get(frame.code)
    if (call === undefined) return HvStatus.INVALID_HYPERCALL_CODE
    if (!call.allowed) return HvStatus.ACCESS_DENIED
    const inputBytes = inputSize(call, frame)
    if (inputBytes < 0) return HvStatus.INVALID_HYPERCALL_INPUT
    const fetched = inputBytes === 0 ? HvStatus.SUCCESS : frame.fetchInput(this.#memory, inputBytes)
    if (fetched !== HvStatus.SUCCESS) return fetched
    const output = call.outputBytes === undefined ? 0 : frame.outputAddress(this.#memory, call.outputBytes)
    if (output < 0) return -output
    return call.execute(vp, frame, output)
  }
}

/** Bytes of input that the control word announces, or -1 when it does not fit the call. */
function inputSize(call: Hypercall, frame: HypercallFrame): number {
  if (frame.fast && !call.fast) return -1
  if (frame.variableHeaderBytes !== 0 && call.variableHeader !== true) return -1
  if (call.elementBytes === undefined) {
    return frame.repCount === 0 && frame.repStart === 0 ? call.inputBytes + frame.variableHeaderBytes : -1
  }
  if (frame.repStart >= frame.repCount) return -1
  return call.inputBytes + frame.variableHeaderBytes + frame.repCount * call.elementBytes
}
