import { HypervisorFault } from '@bis/hyperv-types'
import type { VirtualProcessor } from '../virtual-processor.ts'

/** A model-specific register; without `read` or `write` it cannot be read or written. */
export interface Register {
  readonly read?: (vp: VirtualProcessor) => bigint
  readonly write?: (vp: VirtualProcessor, value: bigint) => void
}

/** Registers by address. What is not in it does not exist. */
export type RegisterFile = Map<number, Register>

/** @throws HypervisorFault always: #GP, with the reason. */
export function refuse(reason: string): never {
  throw new HypervisorFault('general-protection', reason)
}

/** @throws HypervisorFault when bits outside `mask` are set. */
export function checkReserved(name: string, value: bigint, mask: bigint): void {
  if ((value & ~mask) !== 0n) refuse(`${name}: 0x${value.toString(16)} has reserved bits`)
}
