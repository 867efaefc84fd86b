/** HV_X64_MSR_GUEST_OS_ID. Sources: include/asm-generic/hyperv-tlfs.h, FreeBSD hyperv.c. */
import { register } from '../struct/index.ts'

/** The encoding of open-source systems (bit 63 set). */
export const guestOsId = register('hv_guest_os_id', {
  build_number: [0, 16],
  version: [16, 32],
  os_id: [48, 8],
  os_type: [56, 7],
  open_source: 63,
})

/** `os_type` of open-source systems. */
export const GuestOsType = { UNDEFINED: 0, LINUX: 1, FREEBSD: 2, XEN: 3, ILLUMOS: 4 } as const

/** What FreeBSD writes. @param osReleaseDate `__FreeBSD_version`, for example 1401000 */
export function freebsdGuestOsId(osReleaseDate: number): bigint {
  return guestOsId.encode({ open_source: 1, os_type: GuestOsType.FREEBSD, version: osReleaseDate })
}
