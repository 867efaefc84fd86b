import { DeviceError } from '@bis/hyperv-types'

/** What everything that waits for the host ends with when the device goes. */
export function deviceGone(): DeviceError {
  return new DeviceError('removed', 'the network device is gone')
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
