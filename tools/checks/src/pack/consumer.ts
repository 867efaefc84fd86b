import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../command.ts'
import type { Package } from '../workspace.ts'
import { isLibrary } from '../workspace.ts'
import { firstExample, installedByReadme } from './example.ts'
import { runExample } from './run-example.ts'
import type { Packed } from './tarball.ts'

/**
 * Uses a package as a stranger does. In an empty project with nothing of ours but the package and what it depends on,
 * imports each of its paths and runs its commands; then adds what its README says to install for the example, and runs
 * that.
 */
export async function checkConsumer({ pkg }: Packed, all: readonly Packed[], folder: string): Promise<string[]> {
  const project = join(folder, pkg.manifest.name.replace('/', '-'))
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }')
  const install = async (names: readonly string[]) => {
    const tarballs = [...closure(names, all)].map(({ tarball }) => tarball)
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs]
    const { ok, output } = await runCommand('npm', args, project)
    return ok ? [] : [`npm install failed:\n${output}`]
  }
  const alone = await install([pkg.manifest.name])
  if (alone.length > 0) return alone
  const problems = [...(await runCommands(pkg, project)), ...(await importAll(pkg, project))]
  if (!isLibrary(pkg.manifest)) return problems

  const readme = join(pkg.path, 'README.md')
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : ''
  const example = firstExample(text)
  if (example === undefined) return [...problems, 'README.md has no ```ts example to run']
  const named = installedByReadme(text)
  if (named.length > 1) problems.push(...(await install(named)))
  return [...problems, ...(await runExample(example, project))]
}

/** Packages and those of ours that they depend on, at any depth. */
function closure(names: Iterable<string>, all: readonly Packed[], found = new Set<Packed>()): Set<Packed> {
  for (const name of names) {
    const packed = all.find(({ pkg }) => pkg.manifest.name === name)
    if (packed === undefined || found.has(packed)) continue
    found.add(packed)
    closure(Object.keys(packed.pkg.manifest.dependencies ?? {}), all, found)
  }
  return found
}

async function runCommands({ manifest }: Package, project: string): Promise<string[]> {
  const problems: string[] = []
  for (const name of Object.keys(manifest.bin ?? {})) {
    const { ok, output } = await runCommand(join(project, 'node_modules/.bin', name), ['--help'], project)
    if (!ok) problems.push(`${name} --help failed:\n${output}`)
  }
  return problems
}

/** Imports every export path, as an ES module and as CommonJS. */
async function importAll({ manifest }: Package, project: string): Promise<string[]> {
  const paths = Object.keys(manifest.exports ?? {}).filter((path) => path !== './package.json')
  const names = JSON.stringify(paths.map((path) => path.replace(/^\./, manifest.name)))
  writeFileSync(join(project, 'import.mjs'), `for (const name of ${names}) await import(name)\n`)
  writeFileSync(join(project, 'import.cjs'), `for (const name of ${names}) require(name)\n`)
  const problems: string[] = []
  for (const file of ['import.mjs', 'import.cjs']) {
    const { ok, output } = await runCommand(process.execPath, [file], project)
    if (!ok) problems.push(`${file} of its paths failed:\n${output}`)
  }
  return problems
}
