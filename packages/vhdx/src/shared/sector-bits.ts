import type { SectorRun } from './block-store.ts'

/** Which bit of a byte is its first sector's: the lowest in VHDX, the highest in VHD. */
export type BitOrder = 'low-first' | 'high-first'

export function sectorRunsIn(bitmap: Uint8Array, order: BitOrder, from: number, to: number): SectorRun[] {
  const runs: SectorRun[] = []
  for (let sector = from; sector < to; ) {
    const byte = bitmap[sector >>> 3] as number
    // Eight sectors at once where they agree.
    const here = ((byte >>> shift(order, sector)) & 1) === 1
    const step = (sector & 7) === 0 && sector + 8 <= to && (byte === 0 || byte === 0xff) ? 8 : 1
    const last = runs.at(-1)
    if (last !== undefined && last.here === here) last.to += step
    else runs.push({ from: sector, to: sector + step, here })
    sector += step
  }
  return runs
}

/** Sets bits; false if all were set before. */
export function setSectorBits(bitmap: Uint8Array, order: BitOrder, from: number, to: number): boolean {
  let changed = false
  for (let sector = from; sector < to; ) {
    const index = sector >>> 3
    const whole = (sector & 7) === 0 && sector + 8 <= to
    const before = bitmap[index] as number
    const after = whole ? 0xff : before | (1 << shift(order, sector))
    if (after !== before) {
      bitmap[index] = after
      changed = true
    }
    sector += whole ? 8 : 1
  }
  return changed
}

function shift(order: BitOrder, sector: number): number {
  return order === 'low-first' ? sector & 7 : 7 - (sector & 7)
}
