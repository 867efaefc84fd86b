import { checkCatalogue } from './catalogue/check.ts'
import { runCommand } from './command.ts'
import { checkIndexFiles } from './index-files.ts'
import { checkManifests } from './manifests.ts'
import { checkPacked } from './pack/check.ts'
import { checkReadmes } from './readmes.ts'
import { checkWorkplaceNames } from './workplace-names.ts'
import { ROOT } from './workspace.ts'

export interface Check {
  readonly name: string
  readonly about: string
  /** What is wrong, a line or a block of output each; empty when all is well. */
  run(): Promise<readonly string[]>
}

/** All that lint checks, the quick ones first. */
export const checks: readonly Check[] = [
  command('style', 'format and code rules (.biome.json)', 'biome', ['ci', '--error-on-warnings', '--colors=off']),
  command('imports', 'who may import whom (.dependency-cruiser.js)', 'depcruise', ['packages', 'tools']),
  command('unused', 'files, exports and dependencies that nothing uses (.knip.json)', 'knip', ['--no-config-hints']),
  command('types', 'every package, sources and tests', 'tsc', ['--pretty', 'false']),
  command('portable', 'sources without the types of Node.js and the DOM', 'tsc', ['-p', 'tsconfig.src.json']),
  { name: 'manifests', about: 'package.json of what is published, licence and settings', run: checkManifests },
  { name: 'readmes', about: 'the sections of each README', run: checkReadmes },
  { name: 'index', about: 'index.ts only names what others hold', run: checkIndexFiles },
  { name: 'names', about: "no path or host of somebody's machine in a tracked file", run: checkWorkplaceNames },
  { name: 'catalogue', about: 'a test or a reason for each failure of the areas that are done', run: checkCatalogue },
  {
    name: 'pack',
    about: 'packed, published form: publint, types, README example as ESM and CommonJS',
    run: checkPacked,
  },
]

function command(name: string, about: string, program: string, args: readonly string[]): Check {
  return {
    name,
    about,
    async run() {
      const { ok, output } = await runCommand(program, args, ROOT)
      return ok ? [] : [output.trim()]
    },
  }
}
