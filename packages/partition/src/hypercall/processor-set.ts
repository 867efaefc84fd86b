import { VpSetFormat, vpSet } from '@bis/hyperv-types/hypervisor'
import type { VirtualProcessor } from '../virtual-processor.ts'

const BANK_PROCESSORS = 64

/** The processors whose bit is set in a mask of the VP indices 0 to 63. */
export function processorsInMask(processors: readonly VirtualProcessor[], mask: bigint): VirtualProcessor[] {
  return processors.filter(({ index }) => index < BANK_PROCESSORS && ((mask >> BigInt(index)) & 1n) === 1n)
}

/**
 * The processors of an HV_VP_SET.
 * @param bankBytes bytes of banks that the call brought
 * @returns undefined when the set is malformed
 */
export function processorsInSet(
  processors: readonly VirtualProcessor[],
  view: DataView,
  base: number,
  bankBytes: number,
): VirtualProcessor[] | undefined {
  const format = vpSet.format.get(view, base)
  if (format === VpSetFormat.ALL) return [...processors]
  if (format !== VpSetFormat.SPARSE_4K) return undefined
  const banks = new Map<number, bigint>()
  const valid = vpSet.valid_bank_mask.get(view, base)
  for (let bank = 0; bank < BANK_PROCESSORS; bank++) {
    if (((valid >> BigInt(bank)) & 1n) === 0n) continue
    const offset = banks.size * 8
    if (offset + 8 > bankBytes) return undefined
    banks.set(bank, view.getBigUint64(base + vpSet.size + offset, true))
  }
  return processors.filter(({ index }) => {
    const bank = banks.get(Math.floor(index / BANK_PROCESSORS)) ?? 0n
    return ((bank >> BigInt(index % BANK_PROCESSORS)) & 1n) === 1n
  })
}
