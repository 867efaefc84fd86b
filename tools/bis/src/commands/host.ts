import type { VmbusServer } from '@bis/host'
import { Host } from '@bis/host'
import type { ConnectedPartition } from '@bis/host/node'
import { listenVmbusUser } from '@bis/host/node'
import type { Logger } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { HOST_OPTIONS, parseHostOptions } from '../boot-options.ts'
import { CliError } from '../cli-error.ts'
import type { Command } from '../command.ts'
import { closeDisks, openDisks } from '../disk-option.ts'
import { integrationServices, storageDevices } from '../host-devices.ts'
import { aborted } from '../interrupt.ts'
import { NIC_DETAILS, NIC_USAGE } from '../network/nic-option.ts'
import { Nics } from '../network/nics.ts'
import { parseSocketOption, SOCKET_OPTION } from '../socket-option.ts'
import { ControlServer } from '../vm/control-server.ts'
import type { RunningGuest } from '../vm/virtual-machine.ts'
import { VirtualMachine } from '../vm/virtual-machine.ts'

export const host: Command = {
  name: 'host',
  summary: 'play only the root partition, for guests in other processes (vmbus-user)',
  usage: `--socket PATH [--disk FILE[,bus=scsi|ide][,ro][,dvd]]… [--nic ${NIC_USAGE}]… [--host RELEASE] [--name NAME]`,
  options: {
    ...HOST_OPTIONS,
    socket: SOCKET_OPTION,
    name: { type: 'string', value: 'NAME', help: 'what bis vm calls the machine; default: vm-PID' },
  },
  details: `One guest at a time has the devices; the next may come when it has gone. Serves until Ctrl-C, then flushes and
closes the images.\n\n${NIC_DETAILS}`,
  async run(args, signal) {
    const { release, disks: images, nics: options, capture, refused } = parseHostOptions(args)
    const path = await parseSocketOption('host', args)
    const dvd = images.find(({ bus, optical }) => bus === 'ide' && optical)
    if (dvd !== undefined)
      throw new CliError('usage', `--disk ${dvd.file}: a DVD on IDE never comes over VMBus; plug it in on SCSI`)
    const log: Logger = {
      log: (level, text) => (level === 'debug' ? undefined : void process.stderr.write(`${text}\n`)),
    }
    const machine = new VirtualMachine(args.text('name') ?? `vm-${process.pid}`, release, images)
    await using _control = await ControlServer.open(machine)
    await using nics = await Nics.open(options, release, capture === undefined ? {} : { capture })
    const disks = await openDisks(images, true)
    try {
      await using roots = new Host({ release, clock: systemClock, log })
      const guests = new Map<ConnectedPartition, VmbusServer>()
      const onPartition = (partition: ConnectedPartition): void => {
        if (guests.size > 0) {
          void partition.close('this host has a guest already; its disks cannot be shared')
          return
        }
        const server = roots.addGuest(partition.ports, { versions: { refuseVersions: refused } })
        guests.set(partition, server)
        const services = integrationServices(release)
        for (const device of [...storageDevices(release, disks), ...nics.devices, ...services.components])
          server.offer(device)
        const turnOff = (): Promise<void> => partition.close('turned off')
        const guest: RunningGuest = { server, services, nics, images: disks, turnOff }
        machine.switchedOn(guest)
        void partition.ended.then(async () => {
          await roots.removeGuest(server)
          await Promise.all(disks.filter(({ readOnly }) => !readOnly).map(({ image }) => image.flush()))
          guests.delete(partition)
          machine.switchedOff(guest)
        })
      }
      await using server = await listenVmbusUser({ path, onPartition, clock: systemClock, log })
      process.stdout.write(`root partition at ${server.path}\n`)
      await aborted(signal)
    } finally {
      await closeDisks(disks)
    }
  },
}
