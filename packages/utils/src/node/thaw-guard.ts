import { spawn } from 'node:child_process'

/** Reads a line when all is well; the end of its input without one means that whoever held it is gone. */
const SCRIPT = 'read -r done || for point do "$BIS_FSFREEZE" -u "$point"; done'

/** Thaws when this process ends without `done` having been called, killed or not. */
export interface ThawGuard {
  done(): void
}

/** Starts the guard in a process of its own, before anything is frozen. @param points in the order in which to thaw */
export function startThawGuard(program: string, points: readonly string[]): Promise<ThawGuard> {
  return new Promise((resolve, reject) => {
    // In a session of its own: what ends the daemon's does not end it.
    const guard = spawn('/bin/sh', ['-c', SCRIPT, 'bis-thaw', ...points], {
      cwd: '/',
      detached: true,
      env: { ...process.env, BIS_FSFREEZE: program },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    guard.stdin.on('error', () => {})
    guard.once('error', reject)
    guard.once('spawn', () => {
      guard.unref()
      resolve({ done: () => void guard.stdin.end('done\n') })
    })
  })
}
