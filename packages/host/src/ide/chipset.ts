import type { PortDevice } from '@bis/hyperv-types'
import type { DiskBackend } from '../scsi/backend.ts'
import type { DvdUnit } from '../scsi/dvd-unit.ts'
import { BusMaster } from './bus-master.ts'
import { CHANNEL_PLACES, IdeChannel } from './channel.ts'
import type { IdeDrive } from './drive.ts'
import { IdeHardDisk } from './hard-disk.ts'
import { IdeOpticalDrive } from './optical-drive.ts'
import { BUS_MASTER_BAR, GEN1_PCI_DEVICES, IDE_CONTROLLER, PciHost } from './pci-host.ts'

/** What is on the emulated IDE controller, and where. A disk has an accelerator on the VMBus besides (`ideDisk`). */
export interface IdePlace {
  readonly channel: 0 | 1
  readonly device: 0 | 1
  readonly drive: { readonly disk: DiskBackend } | { readonly optical: DvdUnit }
}

/**
 * The emulated chipset of a generation 1 machine, as far as drivers of ours meet it: the PCI bus with the devices that
 * Hyper-V shows, and the IDE controller with programmed I/O.
 * @throws RangeError for two drives at one place, or a disk without 512-byte sectors.
 */
export function gen1Chipset(places: readonly IdePlace[]): readonly PortDevice[] {
  const pci = new PciHost(GEN1_PCI_DEVICES)
  const busMaster = new BusMaster(() => pci.config(IDE_CONTROLLER, BUS_MASTER_BAR))
  const channels = CHANNEL_PLACES.map((place, channel) => {
    const drives: (IdeDrive | undefined)[] = [undefined, undefined]
    for (const { device, drive } of places.filter((other) => other.channel === channel)) {
      if (drives[device] !== undefined) throw new RangeError(`two drives on IDE channel ${channel} device ${device}`)
      drives[device] = 'disk' in drive ? new IdeHardDisk(drive.disk, channel) : new IdeOpticalDrive(drive.optical)
    }
    return new IdeChannel(place, drives, () => busMaster.interrupted(channel))
  })
  return [pci, ...channels, busMaster]
}
