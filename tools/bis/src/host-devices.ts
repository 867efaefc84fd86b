import type { HostReleaseName } from '@bis/host'
import { diskUnit, hostRelease, IntegrationServices, ideDisk, scsiController } from '@bis/host'
import type { VspDevice } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import type { OpenDisk } from './disk-option.ts'

/** The instance that Azure gives the controller of a generation 2 machine's own disks. */
const SCSI_INSTANCE = 'f8b3781a-1e82-4818-a1c3-63d806ec15bb'

/** The host's devices for these disks. IDE disks take the places of their channels in order; all others are LUNs of one SCSI controller. */
export function storageDevices(releaseName: HostReleaseName, disks: readonly OpenDisk[]): VspDevice[] {
  const release = hostRelease(releaseName)
  const ide = disks.filter(({ bus }) => bus === 'ide')
  const devices: VspDevice[] = ide.map(({ image }, place) =>
    ideDisk({ release, backend: image, channel: place < 2 ? 0 : 1, device: place % 2 === 0 ? 0 : 1 }),
  )
  const scsi = disks.filter(({ bus }) => bus === 'scsi')
  if (scsi.length > 0) {
    const controller = scsiController({ release, instanceId: SCSI_INSTANCE })
    for (const [lun, { image }] of scsi.entries()) {
      controller.target.attach({ path: 0, target: 0, lun }, diskUnit(image, { release }))
    }
    devices.push(controller)
  }
  return devices
}

/** The integration components of one machine, as this release has them. */
export function integrationServices(releaseName: HostReleaseName): IntegrationServices {
  return new IntegrationServices({ release: hostRelease(releaseName), clock: systemClock })
}
