import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readJson, root } from './run.js'

/**
 * Runs the built `bis` command in this process, so that signals, exit status and terminal are its own,
 * and in the folder where the user typed the command, so that relative paths mean what they say.
 */
export async function runBis(args) {
  const program = join(root, 'tools/bis', readJson('tools/bis/package.json').bin.bis)
  process.argv = [process.argv[0], program, ...args]
  process.chdir(process.env.INIT_CWD ?? process.cwd())
  await import(pathToFileURL(program).href)
}
