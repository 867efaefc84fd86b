import { execFile } from 'node:child_process'
import type { Logger, LogLevel } from '@bis/hyperv-types'
import { runKvpDaemon } from '@bis/kvp/node'
import type { Command } from '../command.ts'

/** Priorities of syslog(3) for our levels. */
const PRIORITIES: Readonly<Record<LogLevel, string>> = {
  error: 'err',
  warning: 'warning',
  info: 'info',
  debug: 'debug',
}

/** `bis kvpd`: the KVP daemon of a guest. */
export const kvpd: Command = {
  name: 'kvpd',
  summary: "be the KVP daemon of this guest, in place of the distribution's hv_kvp_daemon",
  usage: '[--device PATH] [--dir DIR] [--shared] [--hook PROGRAM] [--syslog]',
  options: {
    device: {
      type: 'string',
      value: 'PATH',
      help: 'character device; default /dev/vmbus/hv_kvp, FreeBSD: /dev/hv_kvp_dev',
    },
    dir: { type: 'string', value: 'DIR', help: "folder of the pool files; default: this system's daemon's" },
    shared: { type: 'boolean', help: 'make pool files that every user may read, as hv_kvp_daemon does' },
    hook: {
      type: 'string',
      value: 'PROGRAM',
      help: 'sets addresses in place of bis; gets the paths of configuration files',
    },
    syslog: { type: 'boolean', help: 'log to syslog by logger(1), not to standard output' },
    durable: { type: 'boolean', help: 'wait for the disk after each change' },
    verbose: { type: 'boolean', short: 'v', help: 'log debug lines too' },
  },
  details: 'Runs in the foreground until SIGTERM. A systemd unit and an rc.d script are in the folder etc of @bis/kvp.',
  async run(args, signal) {
    const folder = args.text('dir')
    const device = args.text('device')
    const log = args.flag('syslog') ? syslog(args.flag('verbose')) : standardOutput(args.flag('verbose'))
    await runKvpDaemon({
      signal,
      log,
      ...(folder === undefined ? {} : { folder }),
      ...(device === undefined ? {} : { device }),
      create: args.flag('shared') ? 'shared' : 'private',
      networkHook: args.text('hook'),
      durable: args.flag('durable'),
    })
    // A read of the device waits in a thread that nothing can end but the end of the process, as the signal asked for.
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(name)
    process.kill(process.pid, 'SIGTERM')
  },
}

function standardOutput(verbose: boolean): Logger {
  return {
    log(level, text) {
      if (level !== 'debug' || verbose) process.stdout.write(`${level}: ${text}\n`)
    },
  }
}

function syslog(verbose: boolean): Logger {
  return {
    log(level, text) {
      if (level === 'debug' && !verbose) return
      execFile('logger', ['-t', 'bis-kvpd', '-p', `daemon.${PRIORITIES[level]}`, '--', text], () => undefined)
    },
  }
}
