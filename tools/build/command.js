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
  endWithParent()
  await import(pathToFileURL(program).href)
}

/** npm ends the shell that started us when it is told to end, but the shell does not tell us: we see it gone. */
function endWithParent() {
  const parent = process.ppid
  const look = () => process.ppid !== parent && process.kill(process.pid, 'SIGTERM')
  setInterval(look, 500).unref()
}
