import { statSync } from 'node:fs'
import { FILE_COPY_WRITE_BYTES, serveFileCopy } from '@bis/utils'
import { fileCopyFolder, openCharacterDevice } from '@bis/utils/node'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { daemonLog, endWithSignal, LOG_OPTIONS } from '../daemon.ts'

/** `bis fcopyd`: the file copy daemon of a guest. */
export const fcopyd: Command = {
  name: 'fcopyd',
  summary: "be the file copy daemon of this guest, in place of the distribution's hv_fcopy_daemon",
  usage: '--files DIR [--device PATH] [--syslog]',
  options: {
    files: { type: 'string', value: 'DIR', help: 'what the host sees as /; files go nowhere else' },
    device: { type: 'string', value: 'PATH', help: 'character device; default /dev/vmbus/hv_fcopy' },
    ...LOG_OPTIONS,
  },
  details: 'A systemd unit and an rc.d script are in the folder etc of @bis/utils.',
  async run(args, signal) {
    const root = args.text('files')
    if (root === undefined) throw new CliError('usage', 'bis fcopyd: --files DIR is missing')
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new CliError('input', `--files ${root}: no such folder`)
    const file = openCharacterDevice(args.text('device') ?? '/dev/vmbus/hv_fcopy', FILE_COPY_WRITE_BYTES)
    const log = daemonLog('bis-fcopyd', args)
    await endWithSignal(serveFileCopy(file, fileCopyFolder({ root }), { log, signal }), signal)
  },
}
