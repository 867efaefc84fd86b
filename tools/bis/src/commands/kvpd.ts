import { runKvpDaemon } from '@bis/kvp/node'
import type { Command } from '../command.ts'
import { checkHook, daemonLog, endBySignal, LOG_OPTIONS } from '../daemon.ts'

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
    durable: { type: 'boolean', help: 'wait for the disk after each change' },
    ...LOG_OPTIONS,
  },
  details: 'Runs in the foreground until SIGTERM. A systemd unit and an rc.d script are in the folder etc of @bis/kvp.',
  async run(args, signal) {
    const folder = args.text('dir')
    const device = args.text('device')
    checkHook(args.text('hook'))
    await runKvpDaemon({
      signal,
      log: daemonLog('bis-kvpd', args),
      ...(folder === undefined ? {} : { folder }),
      ...(device === undefined ? {} : { device }),
      create: args.flag('shared') ? 'shared' : 'private',
      networkHook: args.text('hook'),
      durable: args.flag('durable'),
    })
    // A read of the device waits in a thread that nothing can end but the end of the process, as the signal asked for.
    endBySignal(signal)
  },
}
