import type { VirtualProcessor } from '../virtual-processor.ts'
import type { HypercallFrame } from './hypercall-frame.ts'

/** A hypercall that this hypervisor answers. */
export interface Hypercall {
  readonly code: number
  readonly name: string
  /** Bytes of the fixed input. */
  readonly inputBytes: number
  /** Bytes of each element of a rep call; absent for simple calls. */
  readonly elementBytes?: number
  /** Whether the input may go on in a variable header (banks of a sparse processor set). */
  readonly variableHeader?: boolean
  /** Whether the call may be made with its input in registers. */
  readonly fast: boolean
  /** Bytes of output. */
  readonly outputBytes?: number
  /** Whether the partition may make the call; when not, it is answered with access denied. */
  readonly allowed: boolean
  /**
   * Does it; the input is in `frame.input`, checked for its size.
   * @param output guest-physical address of the output, checked
   * @returns an HV_STATUS
   */
  execute(vp: VirtualProcessor, frame: HypercallFrame, output: number): number
}
