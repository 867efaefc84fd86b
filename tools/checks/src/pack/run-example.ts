import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCommand } from '../command.ts'
import { toCommonJsSource } from './example.ts'

const require = createRequire(import.meta.url)

/** Compiles an example in a project as an ES module and as CommonJS, with the types that the project has, and runs both. */
export async function runExample(example: string, project: string): Promise<string[]> {
  writeFileSync(join(project, 'example.mts'), example)
  writeFileSync(join(project, 'example.cts'), toCommonJsSource(example))
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  const compiled = await runCommand(process.execPath, [require.resolve('typescript/bin/tsc')], project)
  if (!compiled.ok) return [`the README example does not compile:\n${compiled.output}`]
  const problems: string[] = []
  for (const file of ['example.mjs', 'example.cjs']) {
    const { ok, output } = await runCommand(process.execPath, [join('out', file)], project)
    if (!ok) problems.push(`the README example fails as ${file}:\n${output}`)
  }
  return problems
}

/** What a project for Node.js usually has; the types of Node.js are those of this repository. */
const compilerOptions = {
  target: 'ES2022',
  module: 'NodeNext',
  strict: true,
  outDir: 'out',
  types: ['node'],
  typeRoots: [dirname(dirname(require.resolve('@types/node/package.json')))],
}
