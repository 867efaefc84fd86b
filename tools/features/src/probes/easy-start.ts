import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFile, openFile } from '@bis/vhdx/node'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { controllerWith, disk, exercise, Lan, MIB, network, pattern, powerOn, same } from '../guest.ts'

const LIMIT_MS = 20_000

/** From an existing image file to a running machine: its disk has been read, its NIC is up. */
export const easyStart: Probe = async (cell) => {
  const folder = await mkdtemp(join(tmpdir(), 'bis-start-'))
  try {
    const path = join(folder, 'system.vhdx')
    const data = pattern(65_536)
    const made = await createFile(path, { sizeBytes: 64 * MIB })
    await made.write(0, data)
    await made.close()
    await using lan = new Lan(cell)
    const adapter = lan.adapter()
    const start = performance.now()
    await using image = await openFile(path)
    await using machine = await powerOn(cell, { devices: [controllerWith(cell, image), adapter] })
    const back = new Uint8Array(data.length)
    await disk(machine).read(0, back)
    want(network(machine).link.up, 'the NIC has no link')
    const took = performance.now() - start
    want(same(back, data), 'the guest read other bytes')
    want(took < LIMIT_MS, `it took ${Math.round(took)} ms`)
    await exercise(disk(machine), MIB, 65_536, 1, image)
    return { did: 'opened a VHDX file, booted, read from it', saw: `running after ${Math.ceil(took)} ms` }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
