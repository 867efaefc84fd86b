import type { Logger } from '@bis/hyperv-types'
import type { VssHook } from '@bis/utils'
import { serveSnapshots } from '@bis/utils'
import { freezeMounts, openCharacterDevice, programHook, selectMountsNow } from '@bis/utils/node'
import { CliError } from '../cli-error.ts'
import type { Arguments, Command } from '../command.ts'
import { checkHook, daemonLog, endWithSignal, LOG_OPTIONS } from '../daemon.ts'

/** Longer than any message of the device. */
const MOST_BYTES = 64

/** `bis vssd`: the snapshot daemon of a guest. */
export const vssd: Command = {
  name: 'vssd',
  summary: "be the snapshot daemon of this guest, in place of the distribution's hv_vss_daemon",
  usage: '[--device PATH] [--exclude MOUNTPOINT]... [--dry-run] [--hook PROGRAM] [--syslog]',
  options: {
    device: { type: 'string', value: 'PATH', help: 'character device; default /dev/vmbus/hv_vss' },
    exclude: { type: 'string', multiple: true, value: 'MOUNTPOINT', help: 'do not freeze this file system' },
    'dry-run': { type: 'boolean', help: 'print what would be frozen, in order, and freeze nothing' },
    hook: {
      type: 'string',
      value: 'PROGRAM',
      help: 'run with check, freeze or thaw in place of freezing file systems; its status says whether it could',
    },
    ...LOG_OPTIONS,
  },
  details:
    'On Linux it freezes the mounted file systems by fsfreeze(8), and thaws them however it ends. Elsewhere --hook is\n' +
    'needed. A systemd unit and an rc.d script are in the folder etc of @bis/utils.',
  async run(args, signal) {
    if (args.flag('dry-run')) {
      dryRun(args)
      return
    }
    const log = daemonLog('bis-vssd', args)
    const hook = snapshotHook(args, log)
    const file = openCharacterDevice(args.text('device') ?? '/dev/vmbus/hv_vss', MOST_BYTES)
    await endWithSignal(serveSnapshots(file, hook, { log, signal }), signal)
  },
}

function snapshotHook(args: Arguments, log: Logger): VssHook {
  const program = args.text('hook')
  const exclude = args.list('exclude')
  if (program === undefined) {
    checkPlatform()
    return freezeMounts({ log, select: () => selectMountsNow(exclude) })
  }
  if (exclude.length > 0) throw new CliError('usage', 'bis vssd: --exclude has no meaning with --hook')
  checkHook(program)
  return programHook(program)
}

function dryRun(args: Arguments): void {
  if (args.text('hook') !== undefined) throw new CliError('usage', 'bis vssd: --dry-run has no meaning with --hook')
  checkPlatform()
  const { freeze, skipped } = selectMountsNow(args.list('exclude'))
  for (const point of freeze) process.stdout.write(`freeze ${point}\n`)
  for (const { point, why } of skipped) process.stdout.write(`skip ${point}: ${why}\n`)
}

function checkPlatform(): void {
  if (process.platform === 'linux') return
  throw new CliError('usage', 'bis vssd: --hook PROGRAM is missing: bis freezes file systems itself on Linux alone')
}
