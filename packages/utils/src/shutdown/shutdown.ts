import type { Channel, Device, Driver, PowerRequest } from '@bis/hyperv-types'
import {
  IC_BODY_OFFSET,
  IcMessageType,
  IcStatus,
  SHUTDOWN_1_0,
  SHUTDOWN_3_0,
  SHUTDOWN_3_1,
  SHUTDOWN_3_2,
} from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { icDriver } from '../ic/ic-driver.ts'
import type { IcRequest } from '../ic/ic-request.ts'
import type { ShutdownRequest } from './shutdown-request.ts'
import { readShutdown } from './shutdown-request.ts'

export interface ShutdownOptions {
  /** Asked before the guest's kernel is; `false` refuses. A request with force is only told. */
  readonly mayShutDown?: (request: ShutdownRequest) => boolean
}

/**
 * The shutdown driver, `hvshutdown0`: hands the host's request to the guest's kernel, tells the host whether it will be
 * done, and leaves the kernel to do it. The host's time-out is logged, not waited for, as FreeBSD and Linux have it.
 */
export function shutdownDriver(options: ShutdownOptions = {}): Driver<Channel> {
  return icDriver({
    name: 'hvshutdown',
    description: 'Hyper-V Shutdown',
    interfaceId: InterfaceId.SHUTDOWN,
    messageType: IcMessageType.SHUTDOWN,
    versions: [SHUTDOWN_3_2, SHUTDOWN_3_1, SHUTDOWN_3_0, SHUTDOWN_1_0],
    attach(device) {
      /** What the kernel has agreed to do; it is asked once. */
      let underWay: PowerRequest | undefined
      return {
        onRequest(request) {
          const asked = readShutdown(request.view, IC_BODY_OFFSET, request.bodyLength)
          if (asked === undefined) {
            request.respond(IcStatus.E_FAIL)
            return
          }
          if (underWay === undefined) underWay = begin(device, asked, options)
          respond(request, asked, underWay)
        },
        async resume() {
          underWay = undefined
        },
      }
    },
  })
}

const NAMES: Readonly<Record<PowerRequest, string>> = {
  'power-off': 'shutdown',
  reboot: 'restart',
  hibernate: 'hibernation',
}

/** @returns what will be done; undefined when it was refused */
function begin(
  device: Device<Channel>,
  asked: ShutdownRequest,
  { mayShutDown }: ShutdownOptions,
): PowerRequest | undefined {
  const { action, force, text } = asked
  const what = `${force ? 'forced ' : ''}${NAMES[action]} requested by the host${text === '' ? '' : `: ${text}`}`
  device.log.log('info', what)
  const allowed = mayShutDown?.(asked) !== false || force
  if (allowed && device.kernel.requestPower(action, what)) return action
  device.log.log('warning', `${NAMES[action]} refused${allowed ? ': this guest cannot' : ''}`)
  return undefined
}

/** The kernel acts in a task of its own, so the answer goes first. */
function respond(request: IcRequest, asked: ShutdownRequest, underWay: PowerRequest | undefined): void {
  if (underWay === asked.action) request.respond(IcStatus.S_OK)
  else request.respond(underWay === undefined ? IcStatus.E_FAIL : IcStatus.MACHINE_LOCKED)
}
