import { execFile } from 'node:child_process'
import type { VssHook } from '../vss/freezer.ts'

/** Has a program freeze and thaw: it is run with `check`, `freeze` or `thaw`, and its status says whether it could. */
export function programHook(program: string): VssHook {
  const run = (action: string, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      execFile(program, [action], signal === undefined ? {} : { signal }, (error) => {
        if (error === null) resolve()
        else
          reject(
            new Error(`${program} ${action}: ${error.code === undefined ? error.message : `status ${error.code}`}`),
          )
      })
    })
  return {
    name: program,
    check: () => run('check').then(() => true),
    freeze: (signal) => run('freeze', signal),
    thaw: () => run('thaw'),
  }
}
