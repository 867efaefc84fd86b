import { hostname } from 'node:os'
import type { DiskBackend, DiskUnit, HostRelease, HostReleaseName, IdePlace, StorageController } from '@bis/host'
import { DvdUnit, diskUnit, gen1Chipset, hostRelease, IntegrationServices, ideDisk, scsiController } from '@bis/host'
import type { PortDevice } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import type { OpenDisk } from './disk-option.ts'

/** The instances that Azure gives a generation 2 machine's controllers: its own disks' first. A machine has four. */
const SCSI_INSTANCES = ['b', 'c', 'd', 'e'].map((digit) => `f8b3781a-1e82-4818-a1c3-63d806ec15b${digit}`)
/** Disks on one controller, as on Hyper-V. */
const CONTROLLER_DISKS = 64

/** The largest block of a VHDX: whole ones can be given back. */
const MAX_WRITE_SAME_BYTES = 256 * 2 ** 20

/** The host's devices for these disks. IDE disks take the places of their channels in order; all others are LUNs of SCSI controllers. */
export function storageDevices(releaseName: HostReleaseName, disks: readonly OpenDisk[]): StorageController[] {
  const release = hostRelease(releaseName)
  const hard = idePlaces(disks).filter(({ disk }) => !disk.optical)
  const devices = hard.map(({ disk, channel, device }) =>
    ideDisk({ release, backend: disk.gate ?? disk.image, channel, device }),
  )
  const scsi = disks.filter(({ bus }) => bus === 'scsi')
  for (const [index, instanceId] of SCSI_INSTANCES.entries()) {
    const here = scsi.slice(index * CONTROLLER_DISKS, (index + 1) * CONTROLLER_DISKS)
    if (here.length === 0) break
    const controller = scsiController({ release, instanceId })
    for (const [lun, { image, gate, optical }] of here.entries()) {
      const unit = optical ? new DvdUnit({ medium: image }) : hardDisk(gate ?? image, release)
      controller.target.attach({ path: 0, target: 0, lun }, unit)
    }
    devices.push(controller)
  }
  return devices
}

/** The emulated chipset of a generation 1 machine: IDE disks are there too, and DVDs only there. */
export function emulatedChipset(disks: readonly OpenDisk[]): readonly PortDevice[] {
  return gen1Chipset(
    idePlaces(disks).map(({ disk: { image, gate, optical }, channel, device }): IdePlace => {
      return { channel, device, drive: optical ? { optical: new DvdUnit({ medium: image }) } : { disk: gate ?? image } }
    }),
  )
}

function idePlaces(disks: readonly OpenDisk[]) {
  const ide = disks.filter(({ bus }) => bus === 'ide')
  return ide.map((disk, place) => {
    return { disk, channel: place < 2 ? 0 : 1, device: place % 2 === 0 ? 0 : 1 } as const
  })
}

/** The integration components of one machine, as this release has them. */
export function integrationServices(releaseName: HostReleaseName): IntegrationServices {
  const release = hostRelease(releaseName)
  return new IntegrationServices({ release, clock: systemClock, kvp: { hostItems: hostItems(releaseName) } })
}

/** Windows versions by release; from 2016 on 10.0. */
const WINDOWS: Partial<Readonly<Record<HostReleaseName, readonly [string, string]>>> = {
  '2008r2': ['6', '1'],
  '2012': ['6', '2'],
  '2012r2': ['6', '3'],
}

/** What the host tells the guest of itself in pool 3, under Hyper-V's names. */
function hostItems(releaseName: HostReleaseName): Readonly<Record<string, string>> {
  const [major, minor] = WINDOWS[releaseName] ?? ['10', '0']
  return {
    HostName: hostname(),
    PhysicalHostName: hostname(),
    PhysicalHostNameFullyQualified: hostname(),
    HostingSystemOsMajor: major,
    HostingSystemOsMinor: minor,
    HostingSystemSpMajor: '0',
    HostingSystemSpMinor: '0',
    HostingSystemProcessorArchitecture: '9',
  }
}

function hardDisk(backend: DiskBackend, release: HostRelease): DiskUnit {
  return diskUnit(backend, { release }, { maxWriteSameBytes: MAX_WRITE_SAME_BYTES })
}
