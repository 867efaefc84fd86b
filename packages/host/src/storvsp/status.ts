import { NtStatus, SRB_STATUS_MASK, SrbStatus } from '@bis/hyperv-types/storage'

const TABLE = new Map<number, NtStatus>([
  [SrbStatus.SUCCESS, NtStatus.SUCCESS],
  [SrbStatus.BUSY, NtStatus.DEVICE_BUSY],
  [SrbStatus.INVALID_LUN, NtStatus.DEVICE_DOES_NOT_EXIST],
  [SrbStatus.INVALID_TARGET_ID, NtStatus.DEVICE_DOES_NOT_EXIST],
  [SrbStatus.NO_DEVICE, NtStatus.DEVICE_DOES_NOT_EXIST],
  [SrbStatus.NO_HBA, NtStatus.DEVICE_DOES_NOT_EXIST],
  [SrbStatus.TIMEOUT, NtStatus.IO_TIMEOUT],
  [SrbStatus.COMMAND_TIMEOUT, NtStatus.IO_TIMEOUT],
  [SrbStatus.SELECTION_TIMEOUT, NtStatus.DEVICE_NOT_CONNECTED],
  [SrbStatus.BAD_FUNCTION, NtStatus.INVALID_DEVICE_REQUEST],
  [SrbStatus.BAD_SRB_BLOCK_LENGTH, NtStatus.INVALID_DEVICE_REQUEST],
  [SrbStatus.DATA_OVERRUN, NtStatus.BUFFER_OVERFLOW],
  [SrbStatus.REQUEST_FLUSHED, NtStatus.UNSUCCESSFUL],
  [SrbStatus.ABORTED, NtStatus.CANCELLED],
])

/** The NTSTATUS in the header of a completion with this SRB status. Source: OpenVMM storvsp. */
export function ntStatusOf(srbStatus: number): NtStatus {
  if (srbStatus === SrbStatus.SUCCESS) return NtStatus.SUCCESS
  return TABLE.get(srbStatus & SRB_STATUS_MASK) ?? NtStatus.IO_DEVICE_ERROR
}
