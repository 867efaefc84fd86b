import { create, MemoryBackend, open } from '@bis/vhdx'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, MIB, pattern, powerOn, same } from '../guest.ts'

const LIMIT_MS = 20_000

/** From an existing image to a machine that has read it. */
export const easyStart: Probe = async (cell) => {
  const medium = new MemoryBackend()
  const data = pattern(65_536)
  const made = await create(medium, { sizeBytes: 64 * MIB })
  await made.write(0, data)
  await made.close()
  const start = performance.now()
  await using image = await open(medium)
  await using machine = await powerOn(cell, { devices: [controllerWith(cell, image)] })
  const back = new Uint8Array(data.length)
  await disk(machine).read(0, back)
  const took = performance.now() - start
  want(same(back, data), 'the guest read other bytes')
  want(took < LIMIT_MS, `it took ${Math.round(took)} ms`)
  return {
    did: 'opened a VHDX, booted, read from it',
    saw: `ready in ${took < 1000 ? 'less than a second' : 'seconds'}`,
  }
}
