import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readJson, root } from './run.js'

/**
 * Runs a tool's built command in this process, so that signals, exit status and terminal are its own.
 * @param folder the tool's folder, from the root; it is the one command of its package.json
 */
export async function runTool(folder, args) {
  const [built] = Object.values(readJson(folder, 'package.json').bin)
  const program = join(root, folder, built)
  process.argv = [process.argv[0], program, ...args]
  await import(pathToFileURL(program).href)
}

/** Runs `bis` in the folder where the user typed the command, so that relative paths mean what they say. */
export async function runBis(args) {
  process.chdir(process.env.INIT_CWD ?? process.cwd())
  await runTool('tools/bis', args)
}
