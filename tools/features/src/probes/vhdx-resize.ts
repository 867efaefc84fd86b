import { create, MemoryBackend } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { until, want } from '../feature.ts'
import { controllerWith, disk, exercise, MIB, pattern, powerOn, same } from '../guest.ts'

/** A VHDX grows and shrinks while the guest has it. */
export const vhdxResize: Probe = async (cell) => {
  await using image = await create(new MemoryBackend(), { sizeBytes: 64 * MIB, blockSize: MIB })
  const controller = controllerWith(cell, image)
  await using machine = await powerOn(cell, { devices: [controller] })
  const target = disk(machine)
  const size = (): number => target.geometry.blockCount * target.geometry.blockSize
  const kept = pattern(65_536)
  await target.write(0, kept)
  for (const mib of [128, 32]) {
    await image.resize(mib * MIB)
    controller.target.announce()
    await until(() => size() === mib * MIB, `${mib} MiB seen by the guest`)
    await exercise(target, mib * MIB - 65_536, 65_536, mib, image)
    const beyond = await target.write(mib * MIB, kept).then(
      () => 'was taken',
      () => 'was refused',
    )
    want(beyond === 'was refused', `a write behind ${mib} MiB ${beyond}`)
    const back = new Uint8Array(kept.length)
    await target.read(0, back)
    want(same(back, kept), `with ${mib} MiB the data before reads otherwise`)
  }
  return {
    did: 'resized the image from 64 to 128 and to 32 MiB',
    saw: 'the guest saw each size and used its last sectors; what was there stayed, and writes behind the end were refused',
  }
}
