import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Whether a program can be run; says in one line that its tests are skipped when not. */
export function havePrograms(...names: string[]): boolean {
  const missing = names.filter((name) => spawnSync(name, ['--version']).error !== undefined)
  if (missing.length > 0) process.stderr.write(`skipped: tests against ${missing.join(', ')}, which is not installed\n`)
  return missing.length === 0
}

/** Runs a program and gives what it prints; its error output is in the message when it fails. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args, { maxBuffer: 1 << 26 }).catch(
    (error: { stderr?: string; message: string }) => {
      throw new Error(`${program} ${args.join(' ')}: ${error.stderr ?? error.message}`)
    },
  )
  return stdout
}
