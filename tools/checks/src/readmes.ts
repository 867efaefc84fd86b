import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest } from './workspace.ts'
import { listPublished } from './workspace.ts'

const MAX_LINES = 100

/** The parts that each published package's README must have. */
export async function checkReadmes(): Promise<string[]> {
  return listPublished().flatMap(({ folder, path, manifest }) => {
    const file = join(path, 'README.md')
    const problems = existsSync(file) ? readmeProblems(readFileSync(file, 'utf8'), manifest) : ['there is none']
    return problems.map((problem) => `${folder}/README.md: ${problem}`)
  })
}

export function readmeProblems(text: string, manifest: Manifest): string[] {
  const library = manifest.exports !== undefined
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
