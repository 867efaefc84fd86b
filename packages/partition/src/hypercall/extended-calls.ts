import type { GuestMemory } from '@bis/hyperv-types'
import { HvStatus, HypercallCode, PrivilegeHigh } from '@bis/hyperv-types/hypervisor'
import type { Hypercall } from './call.ts'

const CAPABILITIES_BYTES = 8

/** HvExtCallQueryCapabilities: this hypervisor has no extended hypercalls besides it, so the mask is empty. */
export function extendedCalls(privilegesHigh: number, memory: GuestMemory): readonly Hypercall[] {
  return [
    {
      code: HypercallCode.EXT_QUERY_CAPABILITIES,
      name: 'HvExtCallQueryCapabilities',
      inputBytes: 0,
      fast: false,
      outputBytes: CAPABILITIES_BYTES,
      allowed: (privilegesHigh & PrivilegeHigh.EXTENDED_HYPERCALLS) !== 0,
      execute(_vp, _frame, output) {
        memory.write(output, new Uint8Array(CAPABILITIES_BYTES))
        return HvStatus.SUCCESS
      },
    },
  ]
}
