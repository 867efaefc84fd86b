import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest, Package } from './workspace.ts'
import { isLibrary, listPublished, ROOT } from './workspace.ts'

const MAX_LINES = 100

/** The parts that each published package's README must have, and the root README's table of packages. */
export async function checkReadmes(): Promise<string[]> {
  const packages = listPublished()
  const table = tableProblems(readFileSync(join(ROOT, 'README.md'), 'utf8'), packages)
  const readmes = packages.flatMap(({ folder, path, manifest }) => {
    const file = join(path, 'README.md')
    const problems = existsSync(file) ? readmeProblems(readFileSync(file, 'utf8'), manifest) : ['there is none']
    return problems.map((problem) => `${folder}/README.md: ${problem}`)
  })
  return [...table, ...readmes]
}

/** A line for each package in the workspace, and for no other. */
export function tableProblems(text: string, packages: readonly Package[]): string[] {
  const there = packages.map(({ folder, manifest }) => `| [${manifest.name}](${folder})`)
  const named: readonly string[] = text.match(/^\| \[@bis\/.*?\)/gm) ?? []
  return [
    ...there.filter((start) => !named.includes(start)).map((start) => `README.md: no line begins with "${start}"`),
    ...named.filter((start) => !there.includes(start)).map((start) => `README.md: "${start}" is not in the workspace`),
  ]
}

export function readmeProblems(text: string, manifest: Manifest): string[] {
  const library = isLibrary(manifest)
  const rules: [boolean, string][] = [
    [text.startsWith(`# ${manifest.name}\n`), `does not begin with "# ${manifest.name}"`],
    [text.includes(`npm install ${manifest.name}`), `does not say "npm install ${manifest.name}"`],
    [!library || /^```ts$/m.test(text), 'has no example in a ```ts block'],
    [!library || hasSection(text, 'API'), 'has no section "API"'],
    [hasSection(text, 'Limits'), 'has no section "Limits"'],
    [!library || hasSection(text, 'Sources'), 'has no section "Sources"'],
    [text.split('\n').length <= MAX_LINES, `is longer than ${MAX_LINES} lines`],
  ]
  return rules.filter(([holds]) => !holds).map(([, problem]) => problem)
}

function hasSection(text: string, word: string): boolean {
  return new RegExp(`^## .*\\b${word}\\b`, 'm').test(text)
}
