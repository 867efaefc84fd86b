import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

/**
 * Writes the types of a package to dist: for each source file that an entry reaches, a .d.ts for import and a .d.cts for
 * require. One run of the compiler makes both, several times faster than bundling the types of each entry.
 * @param entries source files, from the package's folder
 * @param folder the package's folder
 * @throws Error with the compiler's messages when a source does not parse or a type cannot be written down
 */
export function writeTypes(entries, folder = process.cwd()) {
  const source = join(folder, 'src')
  const program = ts.createProgram(
    entries.map((entry) => join(folder, entry)),
    { ...readOptions(folder), noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true },
  )
  for (const file of program.getSourceFiles()) {
    if (!file.fileName.startsWith(`${source}/`) || file.isDeclarationFile) continue
    const path = join(folder, 'dist', relative(source, file.fileName))
    const { diagnostics } = program.emit(file, (_name, text) => write(path, text))
    fail([...program.getSyntacticDiagnostics(file), ...diagnostics], folder)
  }
}

function readOptions(folder) {
  const path = join(folder, 'tsconfig.json')
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile)
  if (error !== undefined) fail([error], folder)
  return ts.parseJsonConfigFileContent(config, ts.sys, folder, undefined, path).options
}

/** The compiler leaves `./x.ts` in types as it stands; who imports them has built files. */
function write(path, text) {
  const base = path.replace(/\.ts$/, '')
  const importing = (extension) =>
    text.replace(/((?:from |import\()["']\.{1,2}\/[^"']+)\.ts(?=["'])/g, `$1${extension}`)
  mkdirSync(dirname(base), { recursive: true })
  writeFileSync(`${base}.d.ts`, importing('.js'))
  writeFileSync(`${base}.d.cts`, importing('.cjs'))
}

function fail(diagnostics, folder) {
  if (diagnostics.length === 0) return
  const host = { getCurrentDirectory: () => folder, getCanonicalFileName: (name) => name, getNewLine: () => '\n' }
  throw new Error(ts.formatDiagnostics(diagnostics, host))
}
