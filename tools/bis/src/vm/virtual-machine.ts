import type { HostReleaseName, IntegrationServices, VmbusServer } from '@bis/host'
import { hostRelease } from '@bis/host'
import type { SysctlEntry } from '@bis/newbus'
import { CliError } from '../cli-error.ts'
import type { DiskOption, OpenDisk } from '../disk-option.ts'
import type { ModuleTable } from '../loadable-modules.ts'
import type { Nics } from '../network/nics.ts'
import type { CallContext } from '../thread-calls.ts'
import type { ControlRequest } from './control-protocol.ts'

/** The machine's size, and the non-maskable interrupt. */
export interface Hardware {
  readonly generation: 1 | 2
  readonly processorCount: number
  readonly memoryBytes: number
  injectNmi(): Promise<void> | void
}

/** Where a guest's host is, when it has a thread of its own. */
export interface GuestElsewhere {
  /** Does there what is asked of the machine. @throws CliError */
  answer(request: ControlRequest, context: CallContext): Promise<unknown>
}

/** The sysctl tree of a running guest, wherever it is. */
export interface SysctlTable {
  /** What is at or below a name; all for an empty one. */
  list(name: string): Promise<readonly SysctlEntry[]> | readonly SysctlEntry[]
  /** @throws SysctlError */
  set(name: string, value: string): Promise<void> | void
}

/** A guest that is switched on, with what its host has for it. */
export interface RunningGuest {
  /** The host's end of its VMBus. */
  readonly server: VmbusServer
  readonly services: IntegrationServices
  /** Kernel modules, when the guest is in this process. */
  readonly modules?: ModuleTable
  /** Its kernel's state, likewise. */
  readonly sysctl?: SysctlTable
  readonly nics?: Nics
  /** The images of its disks. */
  readonly images: readonly OpenDisk[]
  /** Where this process plays the hypervisor too. */
  readonly hardware?: Hardware
  /** Pulls the plug. */
  turnOff(): Promise<void>
}

/** A machine as `bis vm` steers it: it has its name and its disks for as long as this process runs, and a guest at times. */
export class VirtualMachine {
  readonly name: string
  readonly release: HostReleaseName
  readonly disks: readonly DiskOption[]
  /** Who asked for the guest to go down wants it up again. */
  startAgain = false
  /** What is asked goes there while the host is not in this thread. */
  elsewhere: GuestElsewhere | undefined
  #guest: RunningGuest | undefined
  #startedAt = 0
  #watchers: (() => void)[] = []

  constructor(name: string, release: HostReleaseName, disks: readonly DiskOption[]) {
    this.name = name
    this.release = release
    this.disks = disks
  }

  /** As people call it: `Windows Server 2022`. */
  get hostTitle(): string {
    return hostRelease(this.release).title
  }

  /** The guest, or undefined while the machine is off. */
  get guest(): RunningGuest | undefined {
    return this.#guest
  }

  /** Milliseconds since the guest was switched on; 0 while it is off. */
  get uptime(): number {
    return this.#guest === undefined ? 0 : performance.now() - this.#startedAt
  }

  /** @throws CliError `failed` while the machine is off */
  running(): RunningGuest {
    if (this.#guest === undefined) throw new CliError('failed', `${this.name} is off: no guest is connected`)
    return this.#guest
  }

  /** Resolves when the guest that runs now is off. */
  guestOff(): Promise<void> {
    if (this.#guest === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#watchers.push(resolve))
  }

  switchedOn(guest: RunningGuest): void {
    this.#guest = guest
    guest.services.kvp.setHostItem('VirtualMachineName', this.name)
    this.#startedAt = performance.now()
  }

  /** @param guest nothing happens when it is another one that runs now */
  switchedOff(guest: RunningGuest): void {
    if (this.#guest !== guest) return
    this.#guest = undefined
    for (const tell of this.#watchers.splice(0)) tell()
  }
}
