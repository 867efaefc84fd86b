import type { StorageController } from '@bis/host'
import type { BlockDevice, CrashReport } from '@bis/hyperv-types'
import type { GuestMachine, GuestMachineOptions, PowerOff } from '@bis/machine'
import { Machine } from '@bis/machine'
import { RemoteRootMachine } from '@bis/machine/node'
import type { VirtualDisk } from '@bis/vhdx'
import type { BootOptions } from './boot-options.ts'
import { CliError } from './cli-error.ts'
import type { OpenDisk } from './disk-option.ts'
import { closeDisks, openDisks } from './disk-option.ts'
import type { NetworkChoices } from './driver-modules.ts'
import { driverModules } from './driver-modules.ts'
import { loadModules, releaseOptions } from './guest-release.ts'
import { emulatedChipset, integrationServices, storageDevices } from './host-devices.ts'
import { LoadableModules } from './loadable-modules.ts'
import { Nics } from './nic-devices.ts'
import type { RootWorkerData } from './root-worker-script.ts'
import { rootWorker } from './root-worker-script.ts'
import type { RunningGuest } from './vm/virtual-machine.ts'

/** A machine with the images of its disks, switched on. */
export class BootedMachine implements AsyncDisposable {
  readonly machine: GuestMachine
  /** The host's side, when it is in this thread. */
  readonly guest: RunningGuest | undefined
  readonly #disks: readonly OpenDisk[]
  readonly #storage: readonly StorageController[]
  readonly #nics: Nics | undefined
  /** The root is gone: there is nobody left to shut down with. */
  #abandoned = false

  private constructor(
    machine: GuestMachine,
    disks: readonly OpenDisk[] = [],
    storage: readonly StorageController[] = [],
    nics?: Nics,
    guest?: RunningGuest,
  ) {
    this.machine = machine
    this.guest = guest
    this.#disks = disks
    this.#storage = storage
    this.#nics = nics
  }

  /** Opens the images and boots. @param print gets each line of dmesg as it comes */
  static async boot(
    options: BootOptions,
    print: (line: string) => void,
    network: NetworkChoices = {},
  ): Promise<BootedMachine> {
    const { release, generation, processorCount, memoryBytes, verbose, root, profile } = options
    const all = driverModules({ ...network, files: options.files, pools: options.pools })
    const { lines, ...loaded } = await loadModules(options.guest, all)
    for (const line of lines) print(line)
    const kernel = releaseOptions(options.guest)
    const guest = {
      ...profile,
      ...kernel,
      ...loaded,
      bus: { ...kernel.bus, ...profile.bus },
      release,
      generation,
      processorCount,
      memoryBytes,
      verbose,
      onDmesg: print,
      partition: { ...profile.partition, onCrash: printCrash },
    }
    if (root.kind === 'inline') return bootInline(options, guest, network, (...parts) => new BootedMachine(...parts))
    const machine =
      root.kind === 'worker'
        ? await RemoteRootMachine.withWorkerRoot(rootWorker(rootData(options, network)), guest)
        : await RemoteRootMachine.withSocketRoot(root.path, guest)
    return new BootedMachine(machine)
  }

  get disks(): readonly BlockDevice[] {
    return this.machine.kernel.disks.list()
  }

  /** @throws CliError `failed` when the guest did not find its disk; dmesg tells why. */
  disk(name: string): BlockDevice {
    const disk = this.machine.kernel.disks.get(name)
    if (disk === undefined)
      throw new CliError('failed', `the guest has no ${name}; bis boot with the same flags shows why`)
    return disk
  }

  /**
   * Changes the size of a disk's image while the guest uses it, tells the guest, and waits until it has seen it.
   * @throws CliError, DiskImageError
   */
  async resizeDisk(disk: BlockDevice, sizeBytes: number): Promise<void> {
    const image = this.#imageOf(disk)
    await image.resize(sizeBytes)
    for (const { target } of this.#storage) target.announce()
    const deadline = AbortSignal.timeout(RESIZE_SEEN_MS)
    while (byteLength(disk) !== sizeBytes) {
      if (deadline.aborted) throw new CliError('failed', `${disk.name}: the guest does not see its new size`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Hard disks are numbered in the order in which they are plugged in, IDE before SCSI. */
  #imageOf(disk: BlockDevice): VirtualDisk {
    const hard = this.#disks.filter(({ optical }) => !optical)
    const inOrder = [...hard.filter(({ bus }) => bus === 'ide'), ...hard.filter(({ bus }) => bus === 'scsi')]
    const image = /^da\d+$/.test(disk.name) ? inOrder[Number(disk.name.slice(2))]?.image : undefined
    if (image !== undefined && image.sizeBytes === byteLength(disk)) return image
    throw new CliError('failed', `${disk.name}: its image is not in the hands of this process`)
  }

  /** Resolves when the machine is off, with how; rejects when its root has gone. */
  async ended(): Promise<PowerOff> {
    const { machine } = this
    if (!(machine instanceof RemoteRootMachine)) return machine.off
    const reason = await Promise.race([machine.off.then(() => undefined), machine.rootGone])
    if (reason === undefined || machine.partition.poweredOff) return machine.off
    this.#abandoned = true
    throw new CliError('failed', `the root is gone: ${reason}`)
  }

  /** Shuts the guest down and closes the images: everything written is in them. */
  async powerOff(): Promise<void> {
    if (this.#abandoned) return
    await this.machine.powerOff()
    await this.#nics?.[Symbol.asyncDispose]()
    await closeDisks(this.#disks)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.powerOff()
  }
}

/** What the hypervisor shows of a guest that has crashed, whoever plays the root. */
function printCrash({ message, parameters }: CrashReport): void {
  const text = message ?? parameters.map((parameter) => `0x${parameter.toString(16)}`).join(' ')
  process.stderr.write(`the guest crashed: ${text}\n`)
}

/** How long the guest may take to look at a disk again. */
const RESIZE_SEEN_MS = 10_000

function byteLength({ geometry }: BlockDevice): number {
  return geometry.blockSize * geometry.blockCount
}

/** What the host has for the guest, as a root elsewhere is told. */
function rootData(options: BootOptions, { spoofing = false }: NetworkChoices): RootWorkerData {
  const { release, disks, nics, capture, refused } = options
  return { release, disks, nics, refused, network: { spoofing, ...(capture === undefined ? {} : { capture }) } }
}

async function bootInline<T>(
  boot: BootOptions,
  guest: GuestMachineOptions,
  choices: NetworkChoices,
  make: (
    machine: Machine,
    disks: readonly OpenDisk[],
    storage: readonly StorageController[],
    nics: Nics,
    running: RunningGuest,
  ) => T,
): Promise<T> {
  const { disks: images, nics: options, release, refused, network } = rootData(boot, choices)
  const nics = await Nics.open(options, release, network)
  const disks: OpenDisk[] = []
  try {
    disks.push(...(await openDisks(images, boot.steered)))
    const services = integrationServices(release)
    const storage = storageDevices(release, disks)
    const devices = [...storage, ...nics.devices, ...services.components]
    const chipset = boot.generation === 1 ? emulatedChipset(disks) : []
    const versions = { refuseVersions: refused }
    // Host and guest share this thread, so the memory need not be shared with another.
    const machine = await Machine.powerOn({ ...guest, devices, chipset, memoryKind: 'local', guest: { versions } })
    return make(machine, disks, storage, nics, runningGuest(machine, services, nics, disks, boot))
  } catch (error) {
    await closeDisks(disks)
    await nics[Symbol.asyncDispose]()
    throw error
  }
}

function runningGuest(
  machine: Machine,
  services: RunningGuest['services'],
  nics: Nics,
  images: readonly OpenDisk[],
  { generation, processorCount, memoryBytes, files, pools }: BootOptions,
): RunningGuest {
  const injectNmi = (): void => machine.partition.injectNmi()
  return {
    server: machine.server,
    services,
    modules: new LoadableModules(machine.tree, [machine.busModule, ...driverModules({ files, pools })]),
    nics,
    images,
    hardware: { generation, processorCount, memoryBytes, injectNmi },
    turnOff: () => machine.turnOff(),
  }
}
