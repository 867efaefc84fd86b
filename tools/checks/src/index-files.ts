import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { listPublished } from './workspace.ts'

/** A package's src/index.ts holds nothing but re-exports, so that it can be read as the list of what there is. */
export async function checkIndexFiles(): Promise<string[]> {
  return listPublished().flatMap(({ folder, path }) => {
    const file = join(path, 'src/index.ts')
    return existsSync(file) ? indexProblems(readFileSync(file, 'utf8'), `${folder}/src/index.ts`) : []
  })
}

export function indexProblems(source: string, file: string): string[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ESNext)
  return tree.statements
    .filter((statement) => !ts.isExportDeclaration(statement))
    .map((statement) => {
      const { line } = tree.getLineAndCharacterOfPosition(statement.getStart(tree))
      return `${file}:${line + 1}: not a re-export: ${statement.getText(tree).split('\n', 1)[0]}`
    })
}
