import type { HeartbeatStatus, IcState, IcVersion, IntegrationServices } from '@bis/host'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import type { Nics } from '../nic-devices.ts'
import type { VirtualMachine } from './virtual-machine.ts'

/** What `bis vm show` tells of a machine; undefined where nothing is known. */
export interface MachineDescription {
  readonly name: string
  readonly state: 'running' | 'off'
  readonly host: string
  readonly uptime: number
  readonly generation?: number
  readonly processors?: number
  readonly memory?: number
  readonly vmbus?: string
  readonly heartbeat: HeartbeatStatus
  readonly integrationServices?: string
  readonly components: readonly ComponentDescription[]
  readonly adapters: readonly AdapterDescription[]
  readonly disks: readonly { readonly file: string; readonly bus: string; readonly readOnly: boolean }[]
}

export interface ComponentDescription {
  readonly title: string
  readonly state: IcState
  readonly version?: string
  /** Milliseconds since its last answer. */
  readonly answered?: number
}

export interface AdapterDescription {
  readonly name: string
  readonly connection: string
  readonly mac: string
  readonly addresses: readonly string[]
  readonly status: string
}

export function describeMachine(machine: VirtualMachine): MachineDescription {
  const { guest, name, uptime } = machine
  const { generation, processorCount, memoryBytes } = guest?.hardware ?? {}
  const connection = guest?.server.connection
  return {
    name,
    state: guest === undefined ? 'off' : 'running',
    host: machine.hostTitle,
    uptime: Math.round(uptime),
    ...(generation === undefined ? {} : { generation }),
    ...(processorCount === undefined ? {} : { processors: processorCount }),
    ...(memoryBytes === undefined ? {} : { memory: memoryBytes }),
    ...(connection === undefined ? {} : { vmbus: formatVmbusVersion(connection.version) }),
    heartbeat: guest?.services.heartbeat.status ?? 'no-contact',
    components: guest === undefined ? [] : describeComponents(guest.services),
    adapters: guest?.nics === undefined ? [] : describeAdapters(guest.nics),
    disks: machine.disks.map(({ file, bus, readOnly }) => ({ file, bus, readOnly })),
  }
}

function describeComponents({ components }: IntegrationServices): ComponentDescription[] {
  return components.map(({ kind, state, version, lastAnswer }) => ({
    title: kind.title,
    state,
    ...(version === undefined ? {} : { version: formatVersion(version) }),
    ...(lastAnswer === undefined ? {} : { answered: Math.round(performance.now() - lastAnswer) }),
  }))
}

function describeAdapters(nics: Nics): AdapterDescription[] {
  return nics.devices.map((adapter) => ({
    name: adapter.switchPort.name,
    connection: nics.connectionOf(adapter) ?? 'not connected',
    mac: formatMac(adapter.currentAddress),
    addresses: [],
    status: adapter.running ? 'ok' : 'no driver in the guest',
  }))
}

function formatVersion({ major, minor }: IcVersion): string {
  return `${major}.${minor}`
}
