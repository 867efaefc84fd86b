/** Results of hypercalls. Sources: include/asm-generic/hyperv-tlfs.h, OpenVMM hvdef. */
export const HvStatus = {
  SUCCESS: 0x00,
  INVALID_HYPERCALL_CODE: 0x02,
  INVALID_HYPERCALL_INPUT: 0x03,
  INVALID_ALIGNMENT: 0x04,
  INVALID_PARAMETER: 0x05,
  ACCESS_DENIED: 0x06,
  INVALID_PARTITION_STATE: 0x07,
  OPERATION_DENIED: 0x08,
  INSUFFICIENT_MEMORY: 0x0b,
  INVALID_PARTITION_ID: 0x0d,
  INVALID_VP_INDEX: 0x0e,
  INVALID_PORT_ID: 0x11,
  INVALID_CONNECTION_ID: 0x12,
  INSUFFICIENT_BUFFERS: 0x13,
  NOT_ACKNOWLEDGED: 0x14,
  INVALID_VP_STATE: 0x15,
  INVALID_SYNIC_STATE: 0x18,
  OBJECT_IN_USE: 0x19,
  NO_RESOURCES: 0x1d,
  INVALID_REGISTER_VALUE: 0x50,
  OPERATION_FAILED: 0x71,
  TIME_OUT: 0x78,
} as const
export type HvStatus = (typeof HvStatus)[keyof typeof HvStatus]

const NAMES = new Map<number, string>(Object.entries(HvStatus).map(([name, value]) => [value, name]))

/** A status for a log line: `INVALID_CONNECTION_ID (18)`. */
export function describeHvStatus(status: number): string {
  return `${NAMES.get(status) ?? 'unknown status'} (${status})`
}
