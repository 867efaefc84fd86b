import type { Attachment, Channel, Device, Driver } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { HnInterface } from './interface/hn-interface.ts'
import type { NetvscSettings } from './settings.ts'
import { readSettings, TUNABLES } from './settings.ts'
import { publish } from './sysctl.ts'
import { isVirtualFunction } from './vf/data-path.ts'

/** Hyper-V's network driver, hn(4). @param settings what counts more than the loader's tunables */
export function netvscDriver(settings: Partial<NetvscSettings> = {}): Driver<Channel> {
  return {
    name: 'hn',
    module: 'hv_netvsc',
    bus: 'vmbus',
    tunables: TUNABLES,
    probe: (device) =>
      device.ivars.offer.interfaceId === InterfaceId.NETWORK
        ? { priority: ProbePriority.default, description: 'Hyper-V Network Interface' }
        : undefined,
    attach: (device, signal) => attach(device, signal, settings),
  }
}

async function attach(
  device: Device<Channel>,
  signal: AbortSignal,
  given: Partial<NetvscSettings>,
): Promise<Attachment> {
  const { kernel, log } = device
  const settings = readSettings(kernel.sysctl, given)
  const hn = new HnInterface({ name: device.nameunit, channel: device.ivars, clock: kernel.clock, log, settings })
  await hn.attach(signal)
  publish(device.sysctl, hn)
  await device.earlierSettled()
  const registration = kernel.interfaces.add('hn', () => hn)
  const unwatch = kernel.interfaces.watch((event, item) => {
    if (!settings.virtualFunctions || !isVirtualFunction(item)) return
    if (event === 'arrived') hn.path.arrived(item)
    else hn.path.departed(item)
  })
  return {
    suspend: () => hn.suspend(),
    resume: () => hn.resume(signal),
    async [Symbol.asyncDispose]() {
      unwatch()
      registration.remove()
      await hn.detach()
    },
  }
}
