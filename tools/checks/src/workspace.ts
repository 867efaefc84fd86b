import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository; this file is two levels below tools/, built or not. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** The fields of a package.json that the checks read. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly files?: readonly string[]
  readonly engines?: { readonly node?: string }
  readonly repository?: { readonly url?: string; readonly directory?: string }
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
}

export interface Package {
  /** From the root, with slashes: packages/vmbus */
  readonly folder: string
  readonly path: string
  readonly manifest: Manifest
}

/** Every package of the workspace, those that others build on not necessarily first. */
export function listPackages(root = ROOT): Package[] {
  return ['packages', 'tools'].flatMap((group) =>
    readdirSync(join(root, group))
      .sort()
      .filter((name) => existsSync(join(root, group, name, 'package.json')))
      .map((name) => readPackage(root, `${group}/${name}`)),
  )
}

/** The packages that npm users get. */
export function listPublished(root = ROOT): Package[] {
  return listPackages(root).filter(({ manifest }) => manifest.private !== true)
}

/** Whether others can import the package, rather than only run its command. */
export function isLibrary({ exports = {} }: Manifest): boolean {
  return Object.keys(exports).some((path) => path !== './package.json')
}

function readPackage(root: string, folder: string): Package {
  const path = join(root, folder)
  return { folder, path, manifest: JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest }
}
