import type { HeartbeatStatus, IcState, IcVersion, IntegrationServices } from '@bis/host'
import { IcError } from '@bis/host'
import { formatMac } from '@bis/hyperv-types/ethernet'
import { KVP_AUTO_KEYS, KvpPool } from '@bis/hyperv-types/ic'
import { formatVmbusVersion } from '@bis/hyperv-types/vmbus'
import type { Nics } from '../network/nics.ts'
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

/** How long the guest may take for what it is asked meanwhile. */
const PATIENCE_MS = 2000

export async function describeMachine(machine: VirtualMachine): Promise<MachineDescription> {
  const { guest, name, uptime } = machine
  const patience = AbortSignal.timeout(PATIENCE_MS)
  const integrationServices = guest === undefined ? undefined : await servicesVersion(guest.services, patience)
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
    ...(integrationServices === undefined ? {} : { integrationServices }),
    components: guest === undefined ? [] : describeComponents(guest.services),
    adapters: guest?.nics === undefined ? [] : await describeAdapters(guest.nics, guest.services, patience),
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

function describeAdapters(
  nics: Nics,
  services: IntegrationServices,
  patience: AbortSignal,
): Promise<AdapterDescription[]> {
  return Promise.all(
    nics.devices.map(async (adapter) => {
      const mac = formatMac(adapter.currentAddress)
      return {
        name: adapter.switchPort.name,
        connection: nics.connectionOf(adapter) ?? 'not connected',
        mac,
        addresses: (await told(services.kvp.getIp(mac, patience)))?.addresses ?? [],
        status: adapter.running ? 'ok' : 'no driver in the guest',
      }
    }),
  )
}

/** The version that the guest tells in its auto pool. */
async function servicesVersion({ kvp }: IntegrationServices, patience: AbortSignal): Promise<string | undefined> {
  const index = KVP_AUTO_KEYS.indexOf('IntegrationServicesVersion')
  const value = (await told(kvp.at(KvpPool.AUTO, index, patience)))?.value
  return value === '' ? undefined : value
}

/** What a guest without the component, or one that does not answer, leaves unknown. */
async function told<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof IcError) return undefined
    throw error
  }
}

function formatVersion({ major, minor }: IcVersion): string {
  return `${major}.${minor}`
}
