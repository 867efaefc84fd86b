import { execFile } from 'node:child_process'
import type { Logger, LogLevel } from '@bis/hyperv-types'
import type { Arguments, OptionSpec } from './command.ts'

/** Where a daemon's lines go. */
export const LOG_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  syslog: { type: 'boolean', help: 'log to syslog by logger(1), not to standard output' },
  verbose: { type: 'boolean', short: 'v', help: 'log debug lines too' },
}

/** Priorities of syslog(3) for our levels. */
const PRIORITIES: Readonly<Record<LogLevel, string>> = {
  error: 'err',
  warning: 'warning',
  info: 'info',
  debug: 'debug',
}

/** A daemon's lines, for syslog or for whoever runs it: systemd takes them to the journal. @param name `bis-kvpd` */
export function daemonLog(name: string, args: Arguments): Logger {
  const write = args.flag('syslog')
    ? (level: LogLevel, text: string): void => {
        execFile('logger', ['-t', name, '-p', `daemon.${PRIORITIES[level]}`, '--', text], () => undefined)
      }
    : (level: LogLevel, text: string): void => void process.stdout.write(`${level}: ${text}\n`)
  const verbose = args.flag('verbose')
  return {
    log(level, text) {
      if (level !== 'debug' || verbose) write(level, text)
    },
  }
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
    endBySignal()
  }
}

export function endBySignal(): void {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(name)
  process.kill(process.pid, 'SIGTERM')
}
