import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileCopyComponent, hostRelease } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import { utilsDrivers } from '@bis/utils'
import { fileCopyFolder } from '@bis/utils/node'
import type { Probe } from '../feature.ts'
import { want } from '../feature.ts'
import { pattern, powerOn, same } from '../guest.ts'

const SIZE = 100_001

/** A file arrives byte for byte; overwriting and new folders only when asked for; nothing leaves the guest's folder. */
export const fileCopy: Probe = async (cell) => {
  const root = await mkdtemp(join(tmpdir(), 'bis-copy-'))
  try {
    const component = new FileCopyComponent({ release: hostRelease(cell.host), clock: systemClock })
    const drivers = utilsDrivers({ fileCopy: fileCopyFolder({ root }) })
    const modules = [{ name: 'hv_utils', drivers, dependencies: ['hv_vmbus'] }]
    await using _machine = await powerOn(cell, { devices: [component], modules })
    const copy = (
      seed: number,
      options: { name?: string; folder?: string; overwrite?: boolean; createPath?: boolean },
    ) => {
      const data = pattern(SIZE, seed)
      const read = async (offset: number, target: Uint8Array): Promise<void> =>
        target.set(data.subarray(offset, offset + target.length))
      const order = { name: 'file', folder: '/new/folder', source: { size: SIZE, read }, ...options }
      return component.copy(order).then(
        () => 'copied',
        () => 'refused',
      )
    }
    const outcomes = [
      await copy(1, {}),
      await copy(1, { createPath: true }),
      await copy(2, {}),
      await copy(3, { overwrite: true }),
      await copy(4, { name: '../../escape', createPath: true }),
      await copy(5, { folder: '/new/../../..', createPath: true }),
    ]
    const expected = 'refused copied refused copied refused refused'
    want(outcomes.join(' ') === expected, `outcomes: ${outcomes.join(' ')}`)
    const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    want(files.length === 1, `${files.length} files in the guest`)
    const bytes = new Uint8Array(await readFile(join(root, 'new/folder/file')))
    want(same(bytes, pattern(SIZE, 3)), 'the file has other bytes')
    return {
      did: `copied a file of ${SIZE} bytes: to a missing folder without and with leave, again without and with leave, and to unsafe paths`,
      saw: `in the guest, one file, byte for byte the last one allowed; host was told: ${outcomes.join(', ')}`,
    }
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}
