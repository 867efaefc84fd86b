import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

/**
 * Makes one JavaScript file of a TypeScript source and all it imports of ours, so that a test can run it in a worker
 * thread or another process. The file goes away with the test's process.
 * @returns its path
 */
export async function bundle(source) {
  const entry = fileURLToPath(source)
  // Among the modules of the source's package, so that what stays external is found as from the source.
  const directory = mkdtempSync(join(packageOf(entry), 'node_modules', '.bundle-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  await build({
    config: false,
    entry: [entry],
    outDir: directory,
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    silent: true,
    splitting: false,
    noExternal: [/^@bis\//],
    outExtension: () => ({ js: '.mjs' }),
    esbuildOptions(options) {
      options.conditions = ['@bis/source']
    },
  })
  return join(directory, `${basename(entry, '.ts')}.mjs`)
}

function packageOf(path) {
  const directory = dirname(path)
  return existsSync(join(directory, 'package.json')) ? directory : packageOf(directory)
}
