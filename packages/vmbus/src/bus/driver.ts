import type { Attachment, Device, Driver, ProbeResult, TunableSysctl } from '@bis/hyperv-types'
import { ProbePriority } from '@bis/hyperv-types'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import { VmbusBus } from './bus.ts'
import type { VmbusOptions } from './options.ts'

/** The bus driver as the device tree takes it, and the bus that it attached. */
export interface VmbusDriver extends Driver {
  /** Undefined while no device is attached. */
  readonly attached: VmbusBus | undefined
}

const TUNABLES: readonly TunableSysctl[] = [
  { name: 'hw.vmbus.max_version', description: 'newest vmbus version to ask for, such as 4.0', value: '' },
  { name: 'machdep.panic_on_nmi', description: 'Panic on NMI', value: 1, writable: true },
]

/** `_HID` of the VMBus node, old and new. */
const HARDWARE_IDS: readonly string[] = ['VMBUS', 'VMBus', 'MSFT1000']

/**
 * The driver of VMBus. It takes the nexus device whose location is `vmbus` or whose plug-and-play information names the
 * ACPI node (`_HID=VMBUS`), and adds a child with its Channel as ivars for every device that the host offers.
 */
export function vmbusDriver(options: VmbusOptions): VmbusDriver {
  return new BusDriver(options)
}

class BusDriver implements VmbusDriver {
  readonly name = 'vmbus'
  readonly module = 'hv_vmbus'
  readonly bus = 'nexus'
  readonly tunables = TUNABLES
  attached: VmbusBus | undefined = undefined
  readonly #options: VmbusOptions

  constructor(options: VmbusOptions) {
    this.#options = options
  }

  probe({ location, pnpinfo }: Device): ProbeResult | undefined {
    const hid = /_HID=(\S+)/.exec(pnpinfo)?.[1]
    const ours = location === 'vmbus' || (hid !== undefined && HARDWARE_IDS.includes(hid))
    if (!ours || this.attached !== undefined) return undefined
    return { priority: ProbePriority.default, description: 'Hyper-V Vmbus' }
  }

  async attach(device: Device, signal: AbortSignal): Promise<Attachment> {
    const bus = new VmbusBus(this.#options, device)
    this.attached = bus
    try {
      await bus.start(signal)
    } catch (error) {
      this.attached = undefined
      throw error
    }
    device.sysctl.leaf('version', 'vmbus version', () => formatVmbusVersion(bus.version))
    bus.counters.publish(device.sysctl)
    return {
      suspend: () => bus.suspend(),
      resume: () => bus.resume(),
      [Symbol.asyncDispose]: async () => {
        await bus.stop()
        this.attached = undefined
      },
    }
  }
}
