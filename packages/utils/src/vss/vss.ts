import type { Channel, Device, Driver, Kernel } from '@bis/hyperv-types'
import {
  IC_BODY_OFFSET,
  IcMessageType,
  IcStatus,
  VSS_4_0,
  VSS_5_0,
  VSS_6_0,
  VSS_7_0,
  VSS_HBU_NO_AUTO_RECOVERY,
  VssOperation,
  vssCheckFeature,
  vssHeader,
} from '@bis/hyperv-types/ic'
import { InterfaceId } from '@bis/hyperv-types/vmbus'
import { icDriver } from '../ic/ic-driver.ts'
import type { IcRequest } from '../ic/ic-request.ts'
import type { IcHandlers } from '../ic/ic-service.ts'
import type { FreezerLimits, VssHook } from './freezer.ts'
import { Freezer } from './freezer.ts'
import { vssDaemonDevice } from './vss-daemon.ts'

export interface VssOptions {
  /** Frozen in this order before the daemon's file systems, thawed in reverse order after them. */
  readonly vssHooks?: readonly VssHook[] | ((kernel: Kernel) => readonly VssHook[])
  readonly vssLimits?: Partial<FreezerLimits>
}

const LIMITS: FreezerLimits = { freezeMs: 900_000, otherMs: 30_000, frozenMs: 900_000 }
/** Room for AUTO_RECOVER, the longest message, behind the control page. */
const RING_BYTES = 8 * 4096
const FLAGS_OFFSET = IC_BODY_OFFSET + vssHeader.size
const FLAGS_BODY_BYTES = vssHeader.size + vssCheckFeature.size

/**
 * The volume snapshot driver, `hvvss0`, with `/dev/vmbus/hv_vss` for hv_vss_daemon. Without a daemon and without hooks it
 * answers at once that no snapshot can be made.
 */
export function vssDriver(options: VssOptions = {}): Driver<Channel> {
  return icDriver({
    name: 'hvvss',
    description: 'Hyper-V VSS',
    interfaceId: InterfaceId.VSS,
    messageType: IcMessageType.VSS,
    versions: [VSS_7_0, VSS_6_0, VSS_5_0, VSS_4_0],
    ringBytes: RING_BYTES,
    attach: (device) => attach(device, options),
  })
}

function attach(device: Device<Channel>, { vssHooks = [], vssLimits = {} }: VssOptions): IcHandlers {
  const { kernel, log, sysctl } = device
  const daemon: ReturnType<typeof vssDaemonDevice> = vssDaemonDevice(kernel.clock, () =>
    kernel.clock.soon(() => freezer.daemonWasLate()),
  )
  const hooks = typeof vssHooks === 'function' ? vssHooks(kernel) : vssHooks
  const freezer = new Freezer(hooks, daemon, kernel.clock, log, { ...LIMITS, ...vssLimits })
  const removeDevice = kernel.characterDevices.add(daemon)
  sysctl.leaf('daemon', 'none, opened, idle, asked or owing', () => daemon.state)
  sysctl.leaf('freezer', 'thawed, freezing, frozen or thawing', () => freezer.state)
  sysctl.leaf('freezes', 'times the host has asked for a freeze', () => freezer.freezes)
  sysctl.leaf('forced_thaws', 'thaws that the host has not asked for', () => freezer.forcedThaws)
  return {
    onRequest: (request) => serve(request, freezer),
    onReset: () => void freezer.release('the host is gone, or begins anew'),
    async suspend() {
      await freezer.release('the guest is being suspended')
    },
    async shutdown() {
      await freezer.release('the guest is shutting down')
    },
    async dispose() {
      await freezer.release('the device is going away')
      daemon.remove()
      removeDevice()
    },
  }
}

function serve(request: IcRequest, freezer: Freezer): void {
  const { view, bodyLength } = request
  if (bodyLength < vssHeader.size) {
    request.respond(IcStatus.INVALID_ARGUMENT)
    return
  }
  const later = (work: Promise<number>, done: (status: number) => void = () => {}): void => {
    void work.then((status) => {
      done(status)
      request.respond(status)
    })
  }
  const setFlags = (flags: number): void => {
    if (bodyLength >= FLAGS_BODY_BYTES) view.setUint32(FLAGS_OFFSET, flags, true)
  }
  switch (vssHeader.operation.get(view, IC_BODY_OFFSET)) {
    case VssOperation.HOT_BACKUP:
      later(freezer.check(), (status) => setFlags(status === IcStatus.S_OK ? VSS_HBU_NO_AUTO_RECOVERY : 0))
      return
    case VssOperation.FREEZE:
      later(freezer.freeze())
      return
    case VssOperation.THAW:
      later(freezer.thaw())
      return
    case VssOperation.GET_DM_INFO:
      setFlags(0)
      request.respond()
      return
    case VssOperation.CREATE:
    case VssOperation.DELETE:
    case VssOperation.BU_COMPLETE:
    case VssOperation.AUTO_RECOVER:
      request.respond()
      return
    default:
      request.respond(IcStatus.NOT_SUPPORTED)
  }
}
