import type { StorageController } from '@bis/host'
import { diskUnit, hostRelease, RamDisk, scsiController } from '@bis/host'

export const RELEASE = '2025'
/** Small enough for the caches: what is measured is the way, not the memory at its end. */
export const DISK_BYTES = 2 * 2 ** 20
/** One transfer at a time, however long the reads are. */
const MAX_TRANSFER = 2 ** 20

/** A SCSI controller with one RAM disk, every block of it written. */
export function ramController(): StorageController {
  const settings = {
    release: hostRelease(RELEASE),
    instanceId: 'f8b3781a-1e82-4818-a1c3-63d806ec15bb',
    maxTransferBytes: MAX_TRANSFER,
  }
  const ram = new RamDisk({ sizeBytes: DISK_BYTES })
  const content = new Uint8Array(2 ** 20).fill(1)
  for (let at = 0; at < DISK_BYTES; at += content.length) ram.write(at, content)
  const controller = scsiController(settings)
  controller.target.attach({ path: 0, target: 0, lun: 0 }, diskUnit(ram, settings))
  return controller
}
