import type { HostReleaseName, KvpOptions } from '@bis/host'
import { hostRelease, KvpComponent } from '@bis/host'
import type { Clock, Driver } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import type { ConnectedChannels } from '@bis/hyperv-types/loopback'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import type { GuestKernel } from '@bis/newbus'
import { addChannelBus, createKernel, DeviceTree } from '@bis/newbus'
import type { KvpDriverOptions } from '../../src/index.ts'
import { kvpDriver } from '../../src/index.ts'

export interface Pair<C extends Clock> {
  readonly clock: C
  readonly host: KvpComponent
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly connection: ConnectedChannels
  dmesg(): string[]
}

export interface PairOptions extends KvpDriverOptions {
  readonly release?: HostReleaseName
  readonly host?: Partial<KvpOptions>
  /** The host's end; default: one that behaves. */
  readonly component?: (options: KvpOptions) => KvpComponent
  readonly tunables?: Readonly<Record<string, string>>
}

/** A guest kernel whose bus has the host's key-value device, without VMBus between, on a clock. */
export async function bootOn<C extends Clock>(clock: C, options: PairOptions = {}): Promise<Pair<C>> {
  const hostOptions = { release: hostRelease(options.release ?? '2022'), clock, ...options.host }
  const host = options.component?.(hostOptions) ?? new KvpComponent(hostOptions)
  const connection = connectedChannels(host, { clock })
  const kernel = createKernel({
    clock,
    random: (target) => target.fill(7),
    pages: new PageAllocator(GuestMemory.allocate(2 ** 20, { kind: 'plain' })),
    tunables: options.tunables ?? {},
  })
  const tree = new DeviceTree(kernel)
  await tree.load({ name: 'hv_utils', drivers: [kvpDriver(options)] as unknown as readonly Driver[] })
  await addChannelBus(tree, [connection.channel])
  return { clock, host, kernel, tree, connection, dmesg: () => kernel.dmesg.lines.map(({ text }) => text) }
}

/** The same, stepped by the test, and ready. */
export async function boot(options: PairOptions = {}): Promise<Pair<ManualClock>> {
  const pair = await bootOn(new ManualClock(), options)
  await pair.clock.settle(pair.tree.settled())
  await pair.clock.run()
  return pair
}
