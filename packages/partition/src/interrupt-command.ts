import { FIRST_VECTOR } from './interrupt-controller.ts'
import type { VirtualProcessor } from './virtual-processor.ts'

const FIXED = 0
const NMI = 4

const NO_SHORTHAND = 0
const SELF = 1
const ALL = 2
const ALL_BUT_SELF = 3
/** Physical destination that means every processor. */
const BROADCAST = 0xff

/**
 * The APIC's interrupt command: sends an interrupt to other processors. Vector 7:0, delivery mode 10:8, shorthand
 * 19:18. A processor's APIC id is its number. Other modes than fixed and NMI start or halt processors; they do nothing.
 */
export function commandInterrupts(
  processors: readonly VirtualProcessor[],
  from: VirtualProcessor,
  command: number,
  destination: number,
): void {
  const vector = command & 0xff
  const mode = (command >>> 8) & 7
  const shorthand = (command >>> 18) & 3
  if (mode !== NMI && (mode !== FIXED || vector < FIRST_VECTOR)) return
  for (const vp of processors) {
    if (!isTarget(vp, from, shorthand, destination)) continue
    if (mode === NMI) vp.interrupts.requestNmi()
    else vp.interrupts.request(vector, false)
  }
}

function isTarget(vp: VirtualProcessor, from: VirtualProcessor, shorthand: number, destination: number): boolean {
  switch (shorthand) {
    case NO_SHORTHAND:
      return vp.cpu === destination || destination === BROADCAST
    case SELF:
      return vp === from
    case ALL:
      return true
    case ALL_BUT_SELF:
      return vp !== from
    default:
      return false
  }
}
