import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCommand } from '../command.ts'
import type { Package } from '../workspace.ts'
import { isLibrary } from '../workspace.ts'
import { firstExample, toCommonJsSource } from './example.ts'
import type { Packed } from './tarball.ts'

const require = createRequire(import.meta.url)

/**
 * Installs a package alone into an empty project (with nothing of ours but what it depends on), compiles its README's
 * first example there as an ES module and as CommonJS, and runs both; runs its commands with --help.
 */
export async function checkConsumer({ pkg }: Packed, all: readonly Packed[], folder: string): Promise<string[]> {
  const project = join(folder, pkg.manifest.name.replace('/', '-'))
  mkdirSync(project)
  writeJson(join(project, 'package.json'), { name: 'consumer', private: true })
  const tarballs = [...closure(pkg.manifest.name, all)].map(({ tarball }) => tarball)
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs]
  const installed = await runCommand('npm', args, project)
  if (!installed.ok) return [`npm install failed:\n${installed.output}`]
  return [...(await runCommands(pkg, project)), ...(await runExample(pkg, project))]
}

/** A package and those of ours that it depends on, at any depth. */
function closure(name: string, all: readonly Packed[], found = new Set<Packed>()): Set<Packed> {
  const packed = all.find(({ pkg }) => pkg.manifest.name === name)
  if (packed === undefined || found.has(packed)) return found
  found.add(packed)
  for (const dependency of Object.keys(packed.pkg.manifest.dependencies ?? {})) closure(dependency, all, found)
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

async function runExample({ path, manifest }: Package, project: string): Promise<string[]> {
  if (!isLibrary(manifest)) return []
  const readme = join(path, 'README.md')
  const example = existsSync(readme) ? firstExample(readFileSync(readme, 'utf8')) : undefined
  if (example === undefined) return ['README.md has no ```ts example to run']
  writeFileSync(join(project, 'example.mts'), example)
  writeFileSync(join(project, 'example.cts'), toCommonJsSource(example))
  writeJson(join(project, 'tsconfig.json'), {
    compilerOptions: {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      outDir: 'out',
      types: ['node'],
      typeRoots: [dirname(dirname(require.resolve('@types/node/package.json')))],
    },
  })
  const compiled = await runCommand(process.execPath, [require.resolve('typescript/bin/tsc')], project)
  if (!compiled.ok) return [`the README example does not compile:\n${compiled.output}`]
  const problems: string[] = []
  for (const file of ['example.mjs', 'example.cjs']) {
    const { ok, output } = await runCommand(process.execPath, [join('out', file)], project)
    if (!ok) problems.push(`the README example fails as ${file}:\n${output}`)
  }
  return problems
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, JSON.stringify(value, null, 2))
}
