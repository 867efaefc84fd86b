import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Parses a JSON file of the repository. */
export function readJson(...path) {
  return JSON.parse(readFileSync(join(root, ...path), 'utf8'))
}

/**
 * Runs the pnpm release that the root package.json pins, through npm, so that nothing but npm has to be installed.
 * npm keeps the release in its cache: later runs need no network.
 * @param output where the child's output goes, as spawn's stdio
 * @returns the exit code
 */
export function pnpm(args, output = ['ignore', 'inherit', 'inherit']) {
  const release = readJson('package.json').packageManager
  const npmArgs = ['exec', '--yes', '--prefer-offline', `--package=${release}`, '--', 'pnpm', ...args]
  const npm = process.env.npm_execpath
  return npm?.endsWith('npm-cli.js') ? run(process.execPath, [npm, ...npmArgs], output) : run('npm', npmArgs, output)
}

function run(command, args, stdio) {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' }
  return new Promise((resolve, reject) => {
    // On Ctrl-C the terminal interrupts the child too; we wait for it and pass its status on.
    const wait = () => {}
    process.on('SIGINT', wait)
    const child = spawn(command, args, { cwd: root, stdio, env })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      process.off('SIGINT', wait)
      resolve(signal === null ? code : 130)
    })
  })
}
