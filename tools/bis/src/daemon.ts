import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import type { Logger, LogLevel } from '@bis/hyperv-types'
import { CliError } from './cli-error.ts'
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
 * Whether a hook can be run shows when the daemon starts, not when the host wants something of it. What is found by PATH
 * is not looked for.
 * @throws CliError `input`
 */
export function checkHook(program: string | undefined): void {
  if (program === undefined || !program.includes('/')) return
  const kind = statSync(program, { throwIfNoEntry: false })
  if (kind === undefined) throw new CliError('input', `--hook ${program}: no such file`)
  try {
    if (!kind.isFile()) throw new Error('no file')
    accessSync(program, constants.X_OK)
  } catch {
    throw new CliError('input', `--hook ${program}: is no program that can be run`)
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
    endBySignal(signal)
  }
}

/** Ends this process by the signal that it was told by, so that a shell or a service manager sees which. */
export function endBySignal({ reason }: AbortSignal): void {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(name)
  const told = reason instanceof Error && reason.cause === 'SIGINT'
  process.kill(process.pid, told ? 'SIGINT' : 'SIGTERM')
}
