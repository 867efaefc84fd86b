import { PAGE_SIZE } from '@bis/hyperv-types'
import { ControlOffset } from '@bis/hyperv-types/ring'
import type { Dice } from './dice.ts'

/** Spoils a host-to-guest ring that holds at least one packet, in one of the ways a hostile host could. */
export function damageRing(ring: Uint8Array, dice: Dice): void {
  const view = new DataView(ring.buffer, ring.byteOffset, ring.byteLength)
  const dataBytes = ring.byteLength - PAGE_SIZE
  const read = view.getUint32(ControlOffset.readIndex, true) % dataBytes
  const at = (offset: number) => PAGE_SIZE + ((read + offset) % dataBytes)
  switch (dice.below(6)) {
    case 0:
      view.setUint32(ControlOffset.writeIndex, dice.word(), true)
      break
    case 1:
      view.setUint32(ControlOffset.writeIndex, dice.below(dataBytes / 8) * 8, true)
      break
    case 2:
      view.setUint16(at(0), dice.below(0x1_0000), true)
      break
    case 3:
      view.setUint16(at(2), dice.below(0x1_0000), true)
      break
    case 4:
      view.setUint16(at(4), dice.below(0x1_0000), true)
      break
    case 5:
      // A transaction that the guest never began, or has ended.
      view.setUint32(at(8), dice.word(), true)
      break
  }
}
