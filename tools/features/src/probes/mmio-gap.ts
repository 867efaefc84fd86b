import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { channelOf, controllerWith, disk, exercise, MIB, powerOn, ramDisk } from '../guest.ts'

const GAPS = [128, 512, 3072]

/** Devices get their MMIO ranges in the gap, whatever its size. */
export const mmioGap: Probe = async (cell) => {
  const seen: string[] = []
  for (const lowMmioMegabytes of GAPS) {
    const devices = [controllerWith(cell, ramDisk())]
    await using machine = await powerOn(cell, { devices, partition: { lowMmioMegabytes } })
    const { mmio } = channelOf(machine, 'storvsc0')
    const range = mmio?.allocate({ size: 8 * MIB, below: 2 ** 32, framebuffer: true })
    want(range !== undefined, `no range in a gap of ${lowMmioMegabytes} MiB`)
    want(range.base >= 2 ** 32 - lowMmioMegabytes * MIB, `a range at 0x${range.base.toString(16)}, outside the gap`)
    seen.push(`${lowMmioMegabytes} MiB: 0x${range.base.toString(16)}`)
    range.release()
    await exercise(disk(machine), 0, 65_536)
  }
  return { did: `booted with gaps of ${GAPS.join(', ')} MiB`, saw: `ranges at ${seen.join('; ')}; disks work` }
}
