import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { channelOf, controllerWith, disk, MIB, pattern, powerOn, ramDisk, same } from '../guest.ts'

const FOUR_GIB = 2 ** 32

/** Rings and buffers above 4 GiB work. */
export const pae: Probe = async (cell) => {
  const backend = ramDisk()
  const devices = [controllerWith(cell, backend)]
  const options = { devices, gapBase: 8 * MIB, bus: { ringConstraint: { from: FOUR_GIB } } }
  await using machine = await powerOn(cell, options)
  const { memory, pages } = channelOf(machine, 'storvsc0')
  want(
    memory.regions.some(({ gpa }) => gpa >= FOUR_GIB),
    'the machine has no memory above 4 GiB',
  )
  const run = pages.allocate(16, { from: FOUR_GIB })
  want(run.gpa >= FOUR_GIB, `a buffer at 0x${run.gpa.toString(16)}`)
  const data = pattern(run.bytes.length)
  run.bytes.set(data)
  await disk(machine).write(0, run.bytes)
  const seen = new Uint8Array(data.length)
  await backend.read(0, seen)
  want(same(seen, data), "the host's disk has other bytes")
  run.bytes.fill(0)
  await disk(machine).read(0, run.bytes)
  want(same(run.bytes.slice(), data), 'the buffer has other bytes')
  const at = run.gpa.toString(16)
  pages.free(run)
  return { did: 'gave the guest memory above 4 GiB, rings and buffers there', saw: `I/O from a buffer at 0x${at}` }
}
