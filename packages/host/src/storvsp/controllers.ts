import type { Logger } from '@bis/hyperv-types'
import { IDE_OFFER_FLAG_EMULATED_IDE, ideOfferUserData, VstorVersion } from '@bis/hyperv-types/storage'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import type { HostRelease } from '../host-release.ts'
import type { DiskBackend } from '../scsi/backend.ts'
import type { DiskUnitOptions } from '../scsi/disk-unit.ts'
import { DiskUnit } from '../scsi/disk-unit.ts'
import { ScsiTarget } from '../scsi/target.ts'
import type { FibreChannelNames } from './answer.ts'
import { StorageController } from './controller.ts'

/** 256 KiB, a multiple of any sector size. */
const DEFAULT_MAX_TRANSFER = 256 * 1024
/** What Linux takes at most over Fibre Channel. */
const FIBRE_CHANNEL_MAX_TRANSFER = 512 * 1024

export interface ControllerSettings {
  readonly release: HostRelease
  /** Longest transfer told to the guest: a multiple of 4096. Default 256 KiB. */
  readonly maxTransferBytes?: number
  /** Sub-channels at most; default: one for each processor of the guest besides the first. */
  readonly maxSubchannels?: number
  readonly log?: Logger
}

export interface ScsiControllerSettings extends ControllerSettings {
  /** Stays the same over the life of the machine, as lower-case GUID text. */
  readonly instanceId: string
}

/** A synthetic SCSI controller without disks; attach them to its `target`, before or while the guest runs. */
export function scsiController(settings: ScsiControllerSettings): StorageController {
  return new StorageController({
    offer: { interfaceId: InterfaceId.SCSI, instanceId: settings.instanceId },
    target: new ScsiTarget(),
    ...common(settings),
  })
}

export interface FibreChannelSettings extends ScsiControllerSettings {
  /** World-wide names, 8 bytes each, big-endian. */
  readonly names: FibreChannelNames
}

/** A virtual Fibre Channel adapter. Its disks have paths, targets and LUNs as on a fabric. */
export function fibreChannelAdapter(settings: FibreChannelSettings): StorageController {
  const { port, node } = settings.names
  if (port.length !== 8 || node.length !== 8) {
    throw new RangeError(`world-wide names of ${port.length} and ${node.length} bytes: each has 8`)
  }
  return new StorageController({
    offer: { interfaceId: InterfaceId.FIBRE_CHANNEL, instanceId: settings.instanceId },
    target: new ScsiTarget(),
    fibreChannel: settings.names,
    ...common({ maxTransferBytes: FIBRE_CHANNEL_MAX_TRANSFER, ...settings }),
  })
}

export interface IdeDiskSettings extends ControllerSettings {
  /** IDE channel, 0 or 1. */
  readonly channel: 0 | 1
  /** Device on the channel, 0 or 1. */
  readonly device: 0 | 1
  readonly backend: DiskBackend
}

/** The accelerator of one IDE disk of a generation 1 machine: a device of its own, with one disk. */
export function ideDisk(settings: IdeDiskSettings): StorageController {
  const { channel, device, backend } = settings
  const target = new ScsiTarget()
  target.attach({ path: channel, target: device, lun: 0 }, diskUnit(backend, settings))
  const userData = {
    protocol_version: 0,
    path_id: channel,
    target_id: device,
    flags: IDE_OFFER_FLAG_EMULATED_IDE,
  }
  return new StorageController({
    offer: {
      interfaceId: InterfaceId.IDE,
      instanceId: `0000000${channel}-000${device}-8899-0000-000000000000`,
      userDefined: ideOfferUserData.encode(userData),
    },
    target,
    forcedPath: channel,
    ...common(settings),
    maxSubchannels: 0,
  })
}

/**
 * A disk as a host of this release shows it: those up to 2012 R2 say SPC-2 in INQUIRY, those before 2012 cannot UNMAP.
 */
export function diskUnit(
  backend: DiskBackend,
  settings: ControllerSettings,
  options: Partial<DiskUnitOptions> = {},
): DiskUnit {
  const newest = Math.max(...settings.release.vstorVersions)
  return new DiskUnit({
    backend,
    inquiryVersion: newest >= VstorVersion.V6_2 ? 5 : 4,
    unmap: newest >= VstorVersion.V5_1,
    maxTransferBytes: settings.maxTransferBytes ?? DEFAULT_MAX_TRANSFER,
    ...options,
  })
}

function common(settings: ControllerSettings) {
  const { release, maxTransferBytes, maxSubchannels, log } = settings
  return {
    versions: release.vstorVersions,
    maxTransferBytes: maxTransferBytes ?? DEFAULT_MAX_TRANSFER,
    ...(maxSubchannels === undefined ? {} : { maxSubchannels }),
    ...(log === undefined ? {} : { log }),
  }
}
