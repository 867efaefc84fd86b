import { join } from 'node:path'
import { runCommand } from '../command.ts'
import type { Package } from '../workspace.ts'

export interface Packed {
  readonly pkg: Package
  /** Path of the .tgz file. */
  readonly tarball: string
}

/** Packs a built package as publishing would. */
export async function packPackage(pkg: Package, folder: string): Promise<Packed> {
  const { path, manifest } = pkg
  const { ok, output } = await runCommand('pnpm', ['pack', '--pack-destination', folder], path)
  if (!ok) throw new Error(`pnpm pack failed for ${manifest.name}:\n${output}`)
  const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
  return { pkg, tarball: join(folder, file) }
}
