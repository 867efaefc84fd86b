import { Host, VirtualSwitch } from '@bis/host'
import type { EthernetInterface } from '@bis/hyperv-types'
import { systemClock } from '@bis/hyperv-types'
import { Machine } from '@bis/machine'
import { RemoteRootMachine } from '@bis/machine/node'
import { netvscDriver } from '@bis/netvsc'
import { rootWorker } from '../thread/root-worker.ts'
import { addIdlePorts, networkAdapter, RELEASE } from './adapters.ts'
import type { Arrangement } from './rows.ts'

const MEMORY_BYTES = 128 * 2 ** 20

/** Two NICs on one switch. */
export interface Network extends AsyncDisposable {
  readonly sender: EthernetInterface
  readonly receiver: EthernetInterface
  /** Memory of the machine that receives, to compare copies with. */
  guestBuffer(byteLength: number): Uint8Array
}

/**
 * Two guests and their host in this thread, or, with the host in a second one, one guest with two NICs.
 * @param coalesce whether the receiver takes large frames whole
 * @param rootScript file of the host thread's script
 */
export async function startNetwork(what: Arrangement, coalesce: boolean, rootScript: string): Promise<Network> {
  return what.host === 'same' ? inOneThread(what, coalesce) : inTwoThreads(what, rootScript)
}

function guestOptions({ channels }: Arrangement, coalesce: boolean) {
  return {
    modules: [{ name: 'hv_netvsc', drivers: [netvscDriver({ channelCount: channels, coalesce })] }],
    processorCount: channels,
    memoryBytes: MEMORY_BYTES,
    release: RELEASE,
  } as const
}

async function inOneThread(what: Arrangement, coalesce: boolean): Promise<Network> {
  const host = new Host({ release: RELEASE, clock: systemClock })
  const lan = new VirtualSwitch({ clock: systemClock })
  const boot = (n: number): Promise<Machine> => {
    const options = { ...guestOptions(what, coalesce), memoryKind: what.memory }
    return Machine.powerOn({ ...options, devices: [networkAdapter(lan, n)] }, host)
  }
  const first = await boot(1)
  const second = await boot(2)
  addIdlePorts(lan, what.ports)
  return {
    sender: nic(first, 'hn0'),
    receiver: nic(second, 'hn0'),
    guestBuffer: (byteLength) => guestBuffer(second, byteLength),
    async [Symbol.asyncDispose]() {
      await first.powerOff()
      await second.powerOff()
      await host[Symbol.asyncDispose]()
    },
  }
}

async function inTwoThreads(what: Arrangement, script: string): Promise<Network> {
  const machine = await RemoteRootMachine.withWorkerRoot(rootWorker(script), guestOptions(what, true))
  return {
    sender: nic(machine, 'hn0'),
    receiver: nic(machine, 'hn1'),
    guestBuffer: (byteLength) => guestBuffer(machine, byteLength),
    [Symbol.asyncDispose]: () => machine.powerOff(),
  }
}

function nic(machine: Machine | RemoteRootMachine, name: string): EthernetInterface {
  const found = machine.kernel.interfaces.get(name)
  if (found === undefined) throw new Error(`a guest has no ${name}`)
  return found
}

function guestBuffer(machine: Machine | RemoteRootMachine, byteLength: number): Uint8Array {
  return machine.kernel.pages.allocate(Math.ceil(byteLength / 4096)).bytes.subarray(0, byteLength)
}
