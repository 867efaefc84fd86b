import type { MmioRange } from '@bis/hyperv-types'
import type { Probe, ProbeCell } from '../feature.ts'
import { want } from '../feature.ts'
import { channelOf, controllerWith, disk, exercise, Lan, MIB, powerOn, ramDisk } from '../guest.ts'

const FOUR_GIB = 2 ** 32
/** The least and the most that Set-VM takes, and some between. */
const GAPS = [128, 129, 512, 1000, 3072, 3584]

/** Devices get their MMIO ranges in the gap, whatever its size: all of it, and nothing beside it. */
export const mmioGap: Probe = async (cell) => {
  const seen: string[] = []
  for (const gap of GAPS) seen.push(`${gap} MiB: ${await rangesIn(cell, gap)}`)
  return {
    did: `booted with gaps of ${GAPS.join(', ')} MiB, and had two devices ask for ranges until there were none`,
    saw: `${seen.join('; ')}; all inside, none twice, none on memory, and the disk works`,
  }
}

async function rangesIn(cell: ProbeCell, gap: number): Promise<string> {
  const backend = ramDisk()
  await using lan = new Lan(cell)
  const devices = [controllerWith(cell, backend), lan.adapter()]
  await using machine = await powerOn(cell, { devices, partition: { lowMmioMegabytes: gap } })
  const spaces = ['storvsc0', 'hn0'].map((name) => channelOf(machine, name).mmio)
  const piece = gap <= 512 ? 8 : 64
  const ranges: MmioRange[] = []
  for (let full = false; !full; ) {
    for (const space of spaces) {
      const range = space?.allocate({ size: piece * MIB, alignment: MIB, below: FOUR_GIB })
      if (range === undefined) full = true
      else ranges.push(range)
      want(ranges.length <= gap / piece, `${ranges.length} ranges of ${piece} MiB out of a gap of ${gap} MiB`)
    }
  }
  const inOrder = [...ranges].sort((a, b) => a.base - b.base)
  for (const [i, { base, size }] of inOrder.entries()) {
    const at = `a range at 0x${base.toString(16)}`
    want(base >= FOUR_GIB - gap * MIB && base + size <= FOUR_GIB, `${at}, outside a gap of ${gap} MiB`)
    want(base + size <= (inOrder[i + 1]?.base ?? FOUR_GIB), `${at} overlaps the next`)
    const onMemory = machine.kernel.pages.memory.regions.some(
      ({ gpa, byteLength }) => base < gpa + byteLength && gpa < base + size,
    )
    want(!onMemory, `${at} lies on memory`)
  }
  // The display, the TPM and what the processors have at the end of the gap take a little of it.
  const least = Math.floor((gap - 3 * piece) / piece)
  want(ranges.length >= least, `${ranges.length} ranges in a gap of ${gap} MiB, where ${least} fit`)
  for (const range of ranges) range.release()
  await exercise(disk(machine), 0, 65_536, gap, backend)
  return `${ranges.length} of ${piece} MiB from 0x${inOrder[0]?.base.toString(16)}`
}
