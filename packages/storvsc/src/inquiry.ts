import { HYPERV_VENDOR, inquiryData, PeripheralType } from '@bis/hyperv-types/scsi'
import { VstorVersion } from '@bis/hyperv-types/storage'

/** Standard INQUIRY data, with what hosts get wrong put right. */
export interface InquiryFacts {
  /** A unit is there; without it nothing else counts. */
  readonly present: boolean
  readonly type: number
  readonly removable: boolean
  /** Version byte: 4 SPC-2, 5 SPC-3, … */
  readonly version: number
  readonly commandQueueing: boolean
  readonly vendor: string
  readonly product: string
  readonly revision: string
}

export const INQUIRY_BYTES = inquiryData.size
const SPC_2 = 4
const SPC_3 = 5

/**
 * Reads INQUIRY data. Hosts from 2012 to 2012 R2 say SPC-2 of disks that do what SPC-3 asks, and with it keep a guest from
 * trimming; DVD drives of generation 2 machines say no version at all. Both are taken for SPC-3.
 * Source: FreeBSD hv_storvsc_drv_freebsd.c.
 * @param length bytes that the host sent; too few mean that nothing is there
 * @param vstorVersion negotiated
 */
export function readInquiry(data: Uint8Array, length: number, vstorVersion: number): InquiryFacts {
  if (length < INQUIRY_BYTES) return ABSENT
  const raw = inquiryData.decode(data)
  const type = raw.peripheral & 0x1f
  if (raw.peripheral >>> 5 !== 0 || type === PeripheralType.UNKNOWN) return ABSENT
  return {
    present: true,
    type,
    removable: (raw.removable & 0x80) !== 0,
    version: fixVersion(raw.version, type, raw.vendor, vstorVersion),
    commandQueueing: (raw.flags7 & 0x02) !== 0,
    vendor: raw.vendor.trim(),
    product: raw.product.trim(),
    revision: raw.revision.trim(),
  }
}

const ABSENT: InquiryFacts = {
  present: false,
  type: PeripheralType.UNKNOWN,
  removable: false,
  version: 0,
  commandQueueing: false,
  vendor: '',
  product: '',
  revision: '',
}

function fixVersion(version: number, type: number, vendor: string, vstorVersion: number): number {
  const isWindows8 = vstorVersion === VstorVersion.V5_1 || vstorVersion === VstorVersion.V6_0
  if (version === SPC_2 && isWindows8 && vendor.startsWith(HYPERV_VENDOR)) return SPC_3
  if (version === 0 && type === PeripheralType.CD_DVD && vstorVersion >= VstorVersion.V5_1) return SPC_3
  return version
}

const VERSION_NAMES = ['SCSI-0', 'SCSI-1', 'SCSI-2', 'SPC', 'SPC-2', 'SPC-3', 'SPC-4', 'SPC-5'] as const

/** `SPC-3`, as FreeBSD writes it. */
export function versionName(version: number): string {
  return VERSION_NAMES[version] ?? `SCSI-${version}`
}
