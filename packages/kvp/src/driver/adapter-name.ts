import type { Channel, Device } from '@bis/hyperv-types'

/**
 * The interface that the host names by its adapter's instance id in braces; undefined when none is that adapter's.
 * @param device a device of the same bus as the network adapters
 */
export function adapterName(device: Device, adapterId: string): string | undefined {
  const instance = adapterId.replace(/[{}]/g, '').toLowerCase()
  const siblings = device.parent?.children ?? []
  const found = siblings.find(({ ivars }) => (ivars as Partial<Channel>).offer?.instanceId === instance)
  const name = found?.nameunit ?? ''
  return device.kernel.interfaces.get(name) === undefined ? undefined : name
}
