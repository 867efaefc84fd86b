import { readFileSync } from 'node:fs'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { problemKindInfo } from '@arethetypeswrong/core/problems'
import { isLibrary } from '../workspace.ts'
import type { Packed } from './tarball.ts'

/** Whether TypeScript finds the right types for each export path, imported as ESM, CommonJS and by a bundler. */
export async function checkTypes({ pkg, tarball }: Packed): Promise<string[]> {
  if (!isLibrary(pkg.manifest)) return []
  const analysis = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  if (!analysis.types) return ['types: the package has none']
  return analysis.problems
    .filter((problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))
    .map((problem) => {
      const where = 'entrypoint' in problem ? ` (${problem.entrypoint}, ${problem.resolutionKind})` : ''
      return `types: ${problemKindInfo[problem.kind].description}${where}`
    })
}
