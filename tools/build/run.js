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
 * @param quiet keeps what it prints, for stderr if it fails
 * @returns the exit code
 */
export function pnpm(args, { quiet = false } = {}) {
  const release = readJson('package.json').packageManager
  const npmArgs = ['exec', '--yes', '--prefer-offline', `--package=${release}`, '--', 'pnpm', ...args]
  const npm = process.env.npm_execpath
  return npm?.endsWith('npm-cli.js') ? run(process.execPath, [npm, ...npmArgs], quiet) : run('npm', npmArgs, quiet)
}

function run(command, args, quiet) {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' }
  const output = quiet ? 'pipe' : 'inherit'
  return new Promise((resolve, reject) => {
    // On Ctrl-C the terminal interrupts the child too; we wait for it and pass its status on.
    const wait = () => {}
    process.on('SIGINT', wait)
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', output, output], env })
    const kept = []
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => kept.push(chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait)
      if (code !== 0) for (const chunk of kept) process.stderr.write(chunk)
      resolve(signal === null ? code : 130)
    })
  })
}
