import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { ROOT } from './workspace.ts'

/** An absolute path into a folder that only one machine has, or a document folder outside of the repository. */
const PLACES = /(?<![\w.*~}/-])(?:\/(?:home|root|work|mnt|Users)\/[\w.]|shared\/\w)/

/** Files of the package manager, which must not say where packages come from. */
const REGISTRY_FILES = /(?:^|\/)(?:pnpm-lock\.yaml|pnpm-workspace\.yaml|\.npmrc)$/

/** No tracked file tells the workplace of who wrote it, and the lockfile works with any registry. */
export async function checkWorkplaceNames(): Promise<string[]> {
  const { output } = await runCommand('git', ['ls-files', '-z'], ROOT)
  return output
    .split('\0')
    .filter((file) => file !== '' && !file.endsWith('/workplace-names.test.ts'))
    .flatMap((file) => nameProblems(readFileSync(join(ROOT, file), 'utf8'), file))
}

export function nameProblems(text: string, file: string): string[] {
  if (text.includes('\0')) return []
  const registry = REGISTRY_FILES.test(file)
  return text.split('\n').flatMap((line, index) => {
    const found = PLACES.exec(line)?.[0] ?? (registry ? /\w+:\/\/[\w.-]+/.exec(line)?.[0] : undefined)
    return found === undefined ? [] : [`${file}:${index + 1}: names ${found}`]
  })
}
