import { create, MemoryBackend } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { until } from '../feature.ts'
import { controllerWith, disk, exercise, MIB, powerOn } from '../guest.ts'

/** A VHDX grows and shrinks while the guest has it. */
export const vhdxResize: Probe = async (cell) => {
  await using image = await create(new MemoryBackend(), { sizeBytes: 64 * MIB, blockSize: MIB })
  const controller = controllerWith(cell, image)
  await using machine = await powerOn(cell, { devices: [controller] })
  const target = disk(machine)
  const size = (): number => target.geometry.blockCount * target.geometry.blockSize
  await exercise(target, 0, 65_536)
  for (const mib of [128, 32]) {
    await image.resize(mib * MIB)
    controller.target.announce()
    await until(() => size() === mib * MIB, `${mib} MiB seen by the guest`)
    await exercise(target, mib * MIB - 65_536, 65_536, mib)
  }
  return {
    did: 'resized the image from 64 to 128 and to 32 MiB',
    saw: 'the guest saw each size and used its last sectors',
  }
}
