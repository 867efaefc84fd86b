import type { Attachment, Channel, Device, Driver } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'
import { IcComponent } from './ic-component.ts'
import type { IcHandlers, IcService } from './ic-service.ts'
import { formatVersion } from './negotiation.ts'

/** The driver of an integration component. */
export function icDriver(service: IcService): Driver<Channel> {
  return {
    name: service.name,
    module: service.module ?? 'hv_utils',
    bus: 'vmbus',
    tunables: service.tunables ?? [],
    probe: (device) =>
      device.ivars.offer.interfaceId === service.interfaceId
        ? { priority: ProbePriority.default, description: service.description }
        : undefined,
    attach: (device, signal) => attach(device, service, signal),
  }
}

async function attach(device: Device<Channel>, service: IcService, signal: AbortSignal): Promise<Attachment> {
  const handlers = service.attach(device)
  const component = new IcComponent(device.ivars, service, handlers, device.log, (error) => device.fail(error))
  try {
    await component.open(signal)
  } catch (error) {
    await handlers.dispose?.()
    throw error
  }
  publish(device, component)
  return attachment(component, handlers)
}

function attachment(component: IcComponent, handlers: IcHandlers): Attachment {
  return {
    async suspend() {
      await handlers.suspend?.()
      await component.close()
      await handlers.suspended?.()
    },
    async resume() {
      await component.open()
      await handlers.resume?.()
    },
    async shutdown() {
      await handlers.shutdown?.()
    },
    async [Symbol.asyncDispose]() {
      await component.close()
      await handlers.dispose?.()
    },
  }
}

/** `fw_version` and `msg_version` as FreeBSD's vmbus_ic.c has them. */
function publish({ sysctl }: Device<Channel>, component: IcComponent): void {
  const { statistics } = component
  sysctl.leaf('fw_version', 'framework version', () => formatVersion(component.agreed?.framework ?? 0))
  sysctl.leaf('msg_version', 'message version', () => formatVersion(component.agreed?.message ?? 0))
  sysctl.leaf('state', 'closed, waiting, ready or refused', () => component.state)
  sysctl.leaf('requests', 'requests of the host', () => statistics.requests)
  sysctl.leaf('responses', 'answers sent', () => statistics.responses)
  sysctl.leaf('negotiations', 'times the host has negotiated', () => statistics.negotiations)
  sysctl.leaf('dropped', 'messages that were no requests, or too many', () => statistics.dropped)
}
