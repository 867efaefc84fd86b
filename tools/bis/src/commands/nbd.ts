import { BOOT_OPTIONS, parseBootOptions } from '../boot-options.ts'
import { BootedMachine } from '../booted-machine.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { aborted } from '../interrupt.ts'
import { NbdExport } from '../nbd/export.ts'
import { serveNbd } from '../nbd/server.ts'
import { parseSocketOption, SOCKET_OPTION } from '../socket-option.ts'

export const nbd: Command = {
  name: 'nbd',
  summary: "boot, and export the guest's da0 (through storvsc, VMBus and the host) as an NBD server",
  usage: '--disk FILE[,bus=scsi|ide][,ro][,dvd] --socket PATH',
  options: {
    ...BOOT_OPTIONS,
    socket: SOCKET_OPTION,
  },
  details: `Serves any number of clients until Ctrl-C; then the disk is flushed and the machine switched off.
"bis disk resize nbd+unix:///?socket=PATH SIZE" changes the disk's size meanwhile.`,
  async run(args, signal) {
    const options = parseBootOptions(args)
    const path = await parseSocketOption('nbd', args)
    if (options.disks.length === 0) throw new CliError('usage', 'bis nbd: --disk FILE is missing')
    const print = (line: string): void => void process.stderr.write(`${line}\n`)
    await using booted = await BootedMachine.boot(options, options.verbose ? print : () => {})
    const disk = booted.disk('da0')
    await using server = await serveNbd(
      new NbdExport(disk, {
        print: (line) => print(`bis: ${line}`),
        ...(options.root.kind === 'inline' ? { resize: (bytes: number) => booted.resizeDisk(disk, bytes) } : {}),
      }),
      path,
    )
    process.stdout.write(`da0 is at nbd+unix:///?socket=${path}\n`)
    await Promise.race([booted.ended(), aborted(signal)])
    await server.close()
    if (!disk.geometry.readOnly) await disk.flush()
    await booted.powerOff()
  },
}
