import { create, MemoryBackend } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, exercise, MIB, powerOn } from '../guest.ts'

/** UNMAP frees blocks of the VHDX; what was freed reads as zeros. */
export const trim: Probe = async (cell) => {
  await using image = await create(new MemoryBackend(), { sizeBytes: 64 * MIB, blockSize: MIB })
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, image)] })
  const target = disk(machine)
  want(target.geometry.trim !== undefined, 'the disk cannot be trimmed')
  const data = async (): Promise<number> => {
    let bytes = 0
    for await (const extent of image.extents()) if (extent.kind === 'data') bytes += extent.length
    return bytes
  }
  await exercise(target, 0, 8 * MIB)
  const before = await data()
  want(before === 8 * MIB, `the image holds ${before} bytes after 8 MiB were written`)
  await target.trim(0, 6 * MIB)
  await target.flush()
  const after = await data()
  want(before - after === 6 * MIB, `${(before - after) / MIB} MiB were given back`)
  const back = new Uint8Array(6 * MIB).fill(1)
  await target.read(0, back)
  want(
    back.every((byte) => byte === 0),
    'what was trimmed does not read as zeros',
  )
  return { did: 'wrote 8 MiB, trimmed 6', saw: `the image holds ${after / MIB} MiB, the trimmed range reads as zeros` }
}

export const noTrim: Probe = async (cell) => {
  await using image = await create(new MemoryBackend(), { sizeBytes: 64 * MIB, blockSize: MIB })
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, image)] })
  want(disk(machine).geometry.trim === undefined, 'the disk says that it can be trimmed')
  await exercise(disk(machine), 0, MIB)
  return { did: 'looked at the disk', saw: 'it offers no trimming, and works' }
}
