import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const RAM_DISK = '/dev/shm'

/** A folder for one test file's images, removed after its tests. @param inMemory on a RAM disk, where there is one */
export function testFolder(inMemory = false): (name: string) => string {
  const root = inMemory && hasRoom(RAM_DISK) ? RAM_DISK : tmpdir()
  const folder = mkdtempSync(join(root, 'vhdx-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return (name) => join(folder, name)
}

/** For the largest images there are: a block table of 64 TiB in blocks of 1 MiB has 513 MiB. */
function hasRoom(folder: string): boolean {
  if (!existsSync(folder)) return false
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= 4 * 2 ** 30
}
