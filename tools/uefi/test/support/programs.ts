import { spawnSync } from 'node:child_process'

/** Whether programs can be run; says in one line that their tests are skipped when not. */
export function havePrograms(...names: string[]): boolean {
  const missing = names.filter(
    (name) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${name}`]).status,
  )
  if (missing.length > 0) process.stderr.write(`skipped: tests against ${missing.join(', ')}, which is not installed\n`)
  return missing.length === 0
}
