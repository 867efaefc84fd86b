import { serveSnapshots } from '@bis/utils'
import { openCharacterDevice, programHook } from '@bis/utils/node'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { daemonLog, endWithSignal } from '../daemon.ts'

/** Longer than any message of the device. */
const MOST_BYTES = 64

/** `bis vssd`: the snapshot daemon of a guest. */
export const vssd: Command = {
  name: 'vssd',
  summary: "be the snapshot daemon of this guest, in place of the distribution's hv_vss_daemon",
  usage: '--hook PROGRAM [--device PATH]',
  options: {
    hook: {
      type: 'string',
      value: 'PROGRAM',
      help: 'run with check, freeze or thaw; its status says whether it could',
    },
    device: { type: 'string', value: 'PATH', help: 'character device; default /dev/vmbus/hv_vss' },
  },
  details:
    'What is frozen is the program’s business: fsfreeze(8) for file systems, the database’s own command for one.',
  async run(args, signal) {
    const program = args.text('hook')
    if (program === undefined) throw new CliError('usage', 'bis vssd: --hook PROGRAM is missing')
    const file = openCharacterDevice(args.text('device') ?? '/dev/vmbus/hv_vss', MOST_BYTES)
    await endWithSignal(serveSnapshots(file, programHook(program), { log: daemonLog, signal }), signal)
  },
}
