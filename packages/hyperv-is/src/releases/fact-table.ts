import type { Fact, KernelInterface, ReleaseProfile } from './profile.ts'

type Facts = Omit<ReleaseProfile, 'name' | 'kernel'> & KernelInterface

const TITLES: Readonly<Record<keyof Facts, string>> = {
  osReleaseDate: '`__FreeBSD_version`',
  transmit: 'How hn(4) gets its frames',
  unmappedIo: 'Unmapped disk requests',
  maxDiskIo: 'Longest disk request in bytes',
  diskStack: 'Who drives IDE',
  ideNames: 'IDE disks and drives',
  calloutTick: 'Tick of callouts in ms, 0 for any time',
  taskqueues: 'Taskqueues',
  busParent: "vmbus's parent",
  interruptVector: "vmbus's interrupt vector",
  interruptWork: 'Where messages and events are handled',
  timeCounter: 'Hyper-V time counter',
  sysctlTunables: 'A sysctl fetches its tunable by itself',
  disengage: 'Emulated IDE disks are kept away by',
  builtIn: 'Modules in the kernel',
  port: 'emulators/hyperv-is',
  daemon: 'KVP daemon',
  scripts: 'Its scripts',
}

/** All facts as Markdown: a table for each, with the releases that share value and source in one row. */
export function factTable(profiles: readonly ReleaseProfile[]): string {
  const all = profiles.map(({ name, kernel, ...others }) => ({ name, facts: { ...kernel, ...others } as Facts }))
  const tables = (Object.keys(TITLES) as (keyof Facts)[]).map((key) => {
    const rows = new Map<string, string[]>()
    for (const { name, facts } of all) {
      const { value, source }: Fact<unknown> = facts[key]
      const cells = `${textOf(value)} | ${source}`
      rows.set(cells, [...(rows.get(cells) ?? []), name])
    }
    const lines = [...rows].map(([cells, names]) => `| ${names.join(', ')} | ${cells} |`)
    return [`## ${TITLES[key]}`, '', '| release | | source |', '| --- | --- | --- |', ...lines, ''].join('\n')
  })
  return tables.join('\n')
}

function textOf(value: unknown): string {
  if (value === undefined) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, part]) => `${name}: ${part === undefined ? 'not known' : textOf(part)}`)
    .join(', ')
}
