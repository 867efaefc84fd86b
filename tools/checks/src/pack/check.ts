import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listPublished } from '../workspace.ts'
import { checkTypes } from './attw.ts'
import { checkConsumer } from './consumer.ts'
import { mapLimited } from './map-limited.ts'
import { checkPublished } from './publint.ts'
import type { Packed } from './tarball.ts'
import { packPackage } from './tarball.ts'

/** How many packages are worked on at a time: each starts processes of its own. */
const AT_ONCE = 2

/** Packs every published package and uses it as npm users do, outside of this repository. */
export async function checkPacked(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bis pack '))
  try {
    const all = await mapLimited(listPublished(), AT_ONCE, (pkg) => packPackage(pkg, folder))
    const problems = await mapLimited(all, AT_ONCE, (packed) => checkOne(packed, all, folder))
    return problems.flat()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function checkOne(packed: Packed, all: readonly Packed[], folder: string): Promise<string[]> {
  const problems = [
    ...(await checkPublished(packed)),
    ...(await checkTypes(packed)),
    ...(await checkConsumer(packed, all, folder)),
  ]
  return problems.map((problem) => `${packed.pkg.manifest.name}: ${problem}`)
}
