import { formatSize } from '../../size.ts'
import type { MachineDescription } from '../describe.ts'
import { describeMachine } from '../describe.ts'
import { formatDuration, formatTable } from '../table.ts'
import type { VmVerb } from '../verb.ts'

const HEARTBEAT: Readonly<Record<MachineDescription['heartbeat'], string>> = {
  'ok-healthy': 'OK (applications healthy)',
  'ok-unknown': 'OK (no application data)',
  'ok-critical': 'OK (applications critical)',
  'ok-stopped': 'OK (applications stopped)',
  'no-contact': 'No contact',
  'lost-communication': 'Lost communication',
}

export const show: VmVerb = {
  usage: 'NAME',
  summary: 'tell state, heartbeat, integration services, network adapters and disks',
  options: { json: { type: 'boolean', help: 'print JSON' } },
  serve: (machine) => describeMachine(machine),
  show: (result) => text(result as MachineDescription),
}

function text(machine: MachineDescription): string {
  const { components, adapters, disks } = machine
  const facts: [string, string | undefined][] = [
    ['Name', machine.name],
    ['State', machine.state === 'running' ? 'Running' : 'Off'],
    ['Uptime', formatDuration(machine.uptime)],
    ['Host', machine.host],
    ['Generation', machine.generation?.toString()],
    ['Processors', machine.processors?.toString()],
    ['Memory', machine.memory === undefined ? undefined : formatSize(machine.memory)],
    ['VMBus', machine.vmbus],
    ['Heartbeat', HEARTBEAT[machine.heartbeat]],
    ['Integration services', machine.integrationServices],
  ]
  const answered = (milliseconds: number | undefined): string =>
    milliseconds === undefined ? '-' : `${formatDuration(milliseconds)} ago`
  return [
    formatTable(facts.map(([name, value]) => [name, value ?? '-'])),
    section(['Component', 'State', 'Version', 'Last answer'], components, (component) => [
      component.title,
      component.state,
      component.version ?? '-',
      answered(component.answered),
    ]),
    section(['Adapter', 'Connection', 'MAC address', 'IP addresses', 'Status'], adapters, (adapter) => [
      adapter.name,
      adapter.connection,
      adapter.mac,
      adapter.addresses.length === 0 ? '-' : adapter.addresses.join(', '),
      adapter.status,
    ]),
    section(['Disk', 'Bus', 'Access'], disks, ({ file, bus, readOnly }) => [
      file,
      bus,
      readOnly ? 'read-only' : 'write',
    ]),
  ].join('')
}

function section<T>(head: readonly string[], items: readonly T[], row: (item: T) => readonly string[]): string {
  return items.length === 0 ? '' : `\n${formatTable([head, ...items.map(row)])}`
}
