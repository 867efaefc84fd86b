import { parentPort, workerData } from 'node:worker_threads'
import { Host } from '@bis/host'
import { systemClock } from '@bis/hyperv-types'
import type { SysctlEntry } from '@bis/newbus'
import type { PortsLinkData } from '@bis/partition/worker'
import { attachPorts } from '@bis/partition/worker'
import { closeDisks, openDisks } from './disk-option.ts'
import { integrationServices, storageDevices } from './host-devices.ts'
import type { LoadedModule } from './loadable-modules.ts'
import { Nics } from './network/nics.ts'
import type { CallContext } from './thread-calls.ts'
import { ThreadCalls } from './thread-calls.ts'
import { answer } from './vm/answer.ts'
import type { ControlRequest } from './vm/control-protocol.ts'
import type { RunningGuest } from './vm/virtual-machine.ts'
import { VirtualMachine } from './vm/virtual-machine.ts'
import type { WorkerRootData, WorkerRootRemains } from './worker-root.ts'

// The root partition of `bis boot --root worker`: the host with the guest's disks, in a thread of its own.

/** The host with its devices, and the machine that `bis vm` sees here. */
class Root {
  readonly #close: () => Promise<WorkerRootRemains>
  readonly #machine: VirtualMachine
  readonly #answering = new Set<Promise<unknown>>()

  private constructor(machine: VirtualMachine, close: () => Promise<WorkerRootRemains>) {
    this.#machine = machine
    this.#close = close
  }

  static async open(
    { ports, release, disks: images, nics: options, network, refused, steered }: Data,
    calls: ThreadCalls,
  ): Promise<Root> {
    const nics = await Nics.open(options, release, network)
    const disks = await openDisks(images, steered !== undefined)
    const { ports: synic } = attachPorts(ports)
    const host = new Host({ release, clock: systemClock })
    const server = host.addGuest(synic, { versions: { refuseVersions: refused } })
    const services = integrationServices(release)
    for (const device of [...storageDevices(release, disks), ...nics.devices, ...services.components])
      server.offer(device)
    const machine = new VirtualMachine(steered?.name ?? '', release, images)
    const guest: RunningGuest = { server, services, nics, images: disks, ...guestSide(calls, steered) }
    if (steered !== undefined) machine.switchedOn(guest)
    return new Root(machine, async () => {
      await host[Symbol.asyncDispose]()
      const remains = { startAgain: machine.startAgain, nics: nics.options }
      try {
        await nics[Symbol.asyncDispose]()
      } finally {
        await closeDisks(disks)
      }
      machine.switchedOff(guest)
      return remains
    })
  }

  answer(request: ControlRequest, context: CallContext): Promise<unknown> {
    const work = answer(this.#machine, request, context).finally(() => this.#answering.delete(work))
    this.#answering.add(work)
    return work
  }

  /** Puts everything away, and lets the requests in hand end. */
  async close(): Promise<WorkerRootRemains> {
    const remains = await this.#close()
    await Promise.allSettled(this.#answering)
    return remains
  }
}

type Data = WorkerRootData & { readonly ports: PortsLinkData }

/** What is the other thread's to do. */
function guestSide(
  calls: ThreadCalls,
  steered: WorkerRootData['steered'],
): Pick<RunningGuest, 'modules' | 'sysctl' | 'hardware' | 'turnOff'> {
  const call = async (name: string, value?: unknown): Promise<void> => void (await calls.call(name, value))
  return {
    modules: {
      loaded: async () => (await calls.call('kldstat')) as readonly LoadedModule[],
      load: (name) => call('kldload', name),
      unload: (name) => call('kldunload', name),
    },
    sysctl: {
      list: async (name) => (await calls.call('sysctlList', name)) as readonly SysctlEntry[],
      set: (name, value) => call('sysctlSet', { name, value }),
    },
    ...(steered === undefined ? {} : { hardware: { ...steered.hardware, injectNmi: () => call('injectNmi') } }),
    turnOff: () => call('turnOff'),
  }
}

let root: Root | undefined
if (parentPort !== null) {
  const calls = new ThreadCalls(parentPort, {
    async open() {
      root = await Root.open(workerData as Data, calls)
    },
    answer: (request, context) => root?.answer(request as ControlRequest, context),
    close: () => root?.close(),
  })
}
