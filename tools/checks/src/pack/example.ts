import ts from 'typescript'

/** The first ```ts block of a README. */
export function firstExample(readme: string): string | undefined {
  return /^```ts\n(.*?)^```$/ms.exec(readme)?.[1]
}

/**
 * An ES module example as the source of a CommonJS module: imports stay at the top (the compiler turns them into
 * require), the rest goes into an async function, because CommonJS has no top-level await.
 */
export function toCommonJsSource(example: string): string {
  const tree = ts.createSourceFile('example.ts', example, ts.ScriptTarget.ESNext)
  const isImport = (statement: ts.Statement) => ts.isImportDeclaration(statement)
  const text = (statements: ts.Statement[]) => statements.map((statement) => statement.getFullText(tree)).join('')
  const imports = text(tree.statements.filter(isImport))
  const rest = text(tree.statements.filter((statement) => !isImport(statement)))
  return `${imports.trimStart()}\nasync function main() {${rest}\n}\nvoid main()\n`
}

/** The packages of ours that a README says to install. */
export function installedByReadme(readme: string): string[] {
  const lines = readme.match(/^npm install .*$/gm) ?? []
  return [...new Set(lines.join(' ').match(/@bis\/[\w-]+/g) ?? [])]
}
