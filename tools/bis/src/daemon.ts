import type { Logger } from '@bis/hyperv-types'

/** A daemon's lines, for whoever runs it: systemd takes them to the journal. */
export const daemonLog: Logger = {
  log(level, text) {
    if (level !== 'debug') process.stdout.write(`${level}: ${text}\n`)
  },
}

/**
 * Waits for a daemon. A read of its device waits in a thread that nothing can end but the end of the process: when the
 * signal asked for that, this process ends by it.
 */
export async function endWithSignal(daemon: Promise<never>, signal: AbortSignal): Promise<void> {
  try {
    await daemon
  } catch (error) {
    if (!signal.aborted) throw error
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(name)
    process.kill(process.pid, 'SIGTERM')
  }
}
