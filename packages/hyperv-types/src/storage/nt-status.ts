/** NTSTATUS values in the header of VSTOR answers. Source: OpenVMM storvsp_protocol. Guests act on `srb_status` instead. */
export const NtStatus = {
  SUCCESS: 0x0000_0000,
  BUFFER_OVERFLOW: 0x8000_0005,
  DEVICE_BUSY: 0x8000_0011,
  UNSUCCESSFUL: 0xc000_0001,
  INVALID_PARAMETER: 0xc000_000d,
  INVALID_DEVICE_REQUEST: 0xc000_0010,
  REVISION_MISMATCH: 0xc000_0059,
  DEVICE_NOT_CONNECTED: 0xc000_009d,
  IO_TIMEOUT: 0xc000_00b5,
  DEVICE_DOES_NOT_EXIST: 0xc000_00c0,
  CANCELLED: 0xc000_0120,
  INVALID_DEVICE_STATE: 0xc000_0184,
  IO_DEVICE_ERROR: 0xc000_0185,
} as const
export type NtStatus = (typeof NtStatus)[keyof typeof NtStatus]

const NAMES = new Map<number, string>(Object.entries(NtStatus).map(([name, value]) => [value, name]))

/** A status for a log line: `REVISION_MISMATCH (0xc0000059)`. */
export function describeNtStatus(status: number): string {
  return `${NAMES.get(status) ?? 'unknown status'} (0x${status.toString(16).padStart(8, '0')})`
}
