import type { HostReleaseName, IntegrationComponent } from '@bis/host'
import { hostRelease } from '@bis/host'
import type { Clock, Driver, PowerRequest, VspDevice } from '@bis/hyperv-types'
import { GuestMemory, ManualClock, PageAllocator } from '@bis/hyperv-types'
import type { ConnectedChannels } from '@bis/hyperv-types/loopback'
import { connectedChannels } from '@bis/hyperv-types/loopback'
import type { GuestKernel } from '@bis/newbus'
import { addChannelBus, createKernel, DeviceTree } from '@bis/newbus'

export interface Guest<C extends Clock = ManualClock> {
  readonly clock: C
  readonly kernel: GuestKernel
  readonly tree: DeviceTree
  readonly connections: readonly ConnectedChannels[]
  /** What drivers asked the kernel to do with the power, with the reasons. */
  readonly power: [PowerRequest, string][]
  /** What `kernel.requestPower` answers. */
  powerAllowed: boolean
  dmesg(): string[]
  sysctl(name: string): unknown
}

/** Options of a component of the host on the guest's clock. */
export function hostOptions(clock: Clock, release: HostReleaseName = '2022') {
  return { release: hostRelease(release), clock }
}

/** A guest kernel whose bus has these devices of the host, without VMBus between: stepped by its clock. */
export async function bootGuest<C extends Clock = ManualClock>(
  drivers: readonly Driver<never>[],
  devices: readonly VspDevice[],
  clock: C,
  options: { readonly tunables?: Readonly<Record<string, string>>; readonly referenceTime?: () => bigint } = {},
): Promise<Guest<C>> {
  const { tunables = {}, ...loopback } = options
  const power: [PowerRequest, string][] = []
  const connections = devices.map((device) => connectedChannels(device, { clock, ...loopback }))
  const kernel = createKernel({
    clock,
    random: (target) => target.fill(7),
    pages: new PageAllocator(GuestMemory.allocate(2 ** 20, { kind: 'plain' })),
    verbose: true,
    tunables,
    onPowerRequest: (request, reason) => {
      power.push([request, reason])
      return guest.powerAllowed
    },
  })
  const tree = new DeviceTree(kernel)
  const guest: Guest<C> = {
    clock,
    kernel,
    tree,
    connections,
    power,
    powerAllowed: true,
    dmesg: () => kernel.dmesg.lines.map(({ text }) => text),
    sysctl: (name) => kernel.sysctl.get(name),
  }
  const load = async (): Promise<void> => {
    await tree.load({ name: 'hv_utils', drivers: drivers as readonly Driver[] })
    await addChannelBus(
      tree,
      connections.map(({ channel }) => channel),
    )
    await tree.settled()
  }
  await (clock instanceof ManualClock ? clock.settle(load()) : load())
  return guest
}

/** All components of a machine are as ready as they will be. */
export async function allReady(clock: ManualClock, ...components: readonly IntegrationComponent[]): Promise<void> {
  await clock.run()
  const waiting = components.filter(({ state }) => state !== 'ready').map(({ kind, state }) => `${kind.title} ${state}`)
  if (waiting.length > 0) throw new Error(`not ready: ${waiting.join(', ')}`)
}
