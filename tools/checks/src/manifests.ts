import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest, Package } from './workspace.ts'
import { isLibrary, listPublished, ROOT } from './workspace.ts'

/** What each published package's package.json and folder must have. */
export async function checkManifests(): Promise<string[]> {
  const license = readFileSync(join(ROOT, 'LICENSE'), 'utf8')
  return listPublished().flatMap((pkg) =>
    [...manifestProblems(pkg.manifest, pkg.folder), ...folderProblems(pkg, license)].map(
      (problem) => `${pkg.folder}: ${problem}`,
    ),
  )
}

export function manifestProblems(manifest: Manifest, folder: string): string[] {
  const rules: [boolean, string][] = [
    [manifest.name.startsWith('@bis/'), 'name is not in @bis/'],
    [(manifest.description ?? '') !== '', 'description is missing'],
    [manifest.license === 'BSD-2-Clause', 'license is not BSD-2-Clause'],
    [manifest.type === 'module', 'type is not "module"'],
    [manifest.engines?.node === '>=20.19', 'engines.node is not ">=20.19"'],
    [manifest.repository?.directory === folder, `repository.directory is not "${folder}"`],
    [manifest.files?.includes('dist') ?? false, 'files does not name dist'],
    [manifest.scripts?.['build'] !== undefined, 'there is no build script'],
    [isLibrary(manifest) || manifest.bin !== undefined, 'neither exports nor bin is there'],
  ]
  const failed = rules.filter(([holds]) => !holds).map(([, problem]) => problem)
  return [...failed, ...exportProblems(manifest.exports ?? {}), ...dependencyProblems(manifest.dependencies ?? {})]
}

function exportProblems(exports: Readonly<Record<string, unknown>>): string[] {
  const problems: string[] = []
  for (const [path, target] of Object.entries(exports)) {
    if (path === './package.json') continue
    const text = JSON.stringify(target)
    const conditions = target as { '@bis/source'?: string; import?: Formats; require?: Formats }
    if (!conditions['@bis/source']?.startsWith('./src/')) problems.push(`exports "${path}" has no @bis/source in src`)
    if (!hasBoth(conditions.import, '.d.ts', '.js'))
      problems.push(`exports "${path}" lacks import types or code: ${text}`)
    if (!hasBoth(conditions.require, '.d.cts', '.cjs'))
      problems.push(`exports "${path}" lacks require types or code: ${text}`)
  }
  return problems
}

interface Formats {
  readonly types?: string
  readonly default?: string
}

function hasBoth(formats: Formats | undefined, types: string, code: string): boolean {
  return (formats?.types?.endsWith(types) ?? false) && (formats?.default?.endsWith(code) ?? false)
}

function dependencyProblems(dependencies: Readonly<Record<string, string>>): string[] {
  return Object.entries(dependencies)
    .filter(([name, range]) => name.startsWith('@bis/') && range !== 'workspace:^')
    .map(([name, range]) => `dependency ${name} is "${range}", not "workspace:^"`)
}

function folderProblems({ folder, path }: Package, license: string): string[] {
  const problems: string[] = []
  const file = join(path, 'LICENSE')
  if (!existsSync(file) || readFileSync(file, 'utf8') !== license)
    problems.push('LICENSE is not a copy of the root one')
  if (folder.startsWith('packages/') && !existsSync(join(path, 'tsconfig.src.json'))) {
    problems.push('tsconfig.src.json is missing: sources are not compiled without platform types')
  }
  return problems
}
