import { PAGE_SIZE } from '@bis/hyperv-types'
import { HYPERCALL_PAGE_AMD, HYPERCALL_PAGE_INTEL } from '@bis/hyperv-types/hypervisor'

/** Who made the processor: decides the instruction that enters the hypervisor. */
export type ProcessorVendor = 'intel' | 'amd'

/** Breakpoint instruction. */
const FILL = 0xcc

/** The code that a guest finds in its hypercall page: the call, a return, and breakpoints behind them. */
export function hypercallPage(vendor: ProcessorVendor): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE).fill(FILL)
  page.set(vendor === 'amd' ? HYPERCALL_PAGE_AMD : HYPERCALL_PAGE_INTEL)
  return page
}
