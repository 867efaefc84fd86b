import type { SeededRandom } from '@bis/hyperv-types'
import { PAGE_SIZE } from '@bis/hyperv-types'
import { ControlOffset } from '@bis/hyperv-types/ring'

/** Spoils a host-to-guest ring that holds at least one packet, in one of the ways a hostile host could. */
export function damageRing(ring: Uint8Array, random: SeededRandom): void {
  const view = new DataView(ring.buffer, ring.byteOffset, ring.byteLength)
  const dataBytes = ring.byteLength - PAGE_SIZE
  const read = view.getUint32(ControlOffset.readIndex, true) % dataBytes
  const at = (offset: number) => PAGE_SIZE + ((read + offset) % dataBytes)
  switch (random.below(6)) {
    case 0:
      view.setUint32(ControlOffset.writeIndex, random.word(), true)
      break
    case 1:
      view.setUint32(ControlOffset.writeIndex, random.below(dataBytes / 8) * 8, true)
      break
    case 2:
      view.setUint16(at(0), random.below(0x1_0000), true)
      break
    case 3:
      view.setUint16(at(2), random.below(0x1_0000), true)
      break
    case 4:
      view.setUint16(at(4), random.below(0x1_0000), true)
      break
    case 5:
      // A transaction that the guest never began, or has ended.
      view.setUint32(at(8), random.word(), true)
      break
  }
}
