import type { AtaUnit, Attachment, Driver } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'

/** Loader tunable that leaves IDE disks to the ATA driver: with any integer, 0 too. */
export const DISK_ENABLE = 'hw.ata.disk_enable'

/** The IDE controller that Hyper-V emulates: Intel PIIX4. */
const PIIX4 = { vendor: 0x8086, device: 0x7111 } as const

/**
 * Takes the hard disks of the emulated IDE controller before the ATA driver can, and does nothing with them: they are
 * also there, faster, through the accelerated IDE channels. Optical drives, other controllers and machines without
 * Hyper-V are left alone.
 * Source: FreeBSD `ada_probe_veto` (storvsc), stordisengage/hv_ata_pci_disengage.c.
 */
export function ataDisengage(): Driver<AtaUnit> {
  return {
    name: 'ata_disengage',
    module: 'hv_ata_pci_disengage',
    bus: 'ata',
    probe({ kernel, ivars: { kind, controller } }) {
      const emulated = controller.vendor === PIIX4.vendor && controller.device === PIIX4.device
      if (kind !== 'disk' || !emulated || kernel.vmGuest !== 'hv') return undefined
      if (kernel.tunables.getInt(DISK_ENABLE) !== undefined) return undefined
      return { priority: ProbePriority.vendor, description: 'Hyper-V ATA disengage' }
    },
    async attach(): Promise<Attachment> {
      return { async [Symbol.asyncDispose]() {} }
    },
  }
}
