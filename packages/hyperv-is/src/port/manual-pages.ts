interface Page {
  readonly name: string
  readonly section: number
  readonly title: string
  readonly synopsis: string
  readonly text: string
}

const load = (module: string): string =>
  `In\n.Xr loader.conf 5 :\n.Bd -literal -offset indent\n${module}_load="YES"\n.Ed`

const PAGES: readonly Page[] = [
  {
    name: 'hyperv-is',
    section: 1,
    title: 'integration services for Hyper-V',
    synopsis: '.Nm bis port Ar install|deinstall|check Fl -root Ar dir Fl -release Ar release',
    text: `Drivers that a guest needs to use the synthetic devices of Hyper-V: see
.Xr hv_vmbus 4 , hv_storvsc 4 , hv_netvsc 4 , hv_utils 4 , hv_kvp 4
and
.Xr hv_ata_pci_disengage 4 .
Root and swap in
.Xr fstab 5
need labels, because disks change their names with the drivers.`,
  },
  {
    name: 'hv_vmbus',
    section: 4,
    title: 'Hyper-V virtual machine bus',
    synopsis: load('hv_vmbus'),
    text: 'The bus whose channels the other drivers use.\nIt finds Hyper-V by CPUID and brings up one device for each offer.',
  },
  {
    name: 'hv_storvsc',
    section: 4,
    title: 'Hyper-V storage',
    synopsis: load('hv_storvsc'),
    text: 'SCSI controllers and accelerated IDE disks of the host; disks are\n.Pa /dev/da* .',
  },
  {
    name: 'hv_netvsc',
    section: 4,
    title: 'Hyper-V network',
    synopsis: load('hv_netvsc'),
    text: 'Network adapters of the host; interfaces are\n.Pa hn* .',
  },
  {
    name: 'hv_utils',
    section: 4,
    title: 'Hyper-V utilities',
    synopsis: load('hv_utils'),
    text: 'Heartbeat, shutdown on request of the host, and time synchronisation.',
  },
  {
    name: 'hv_kvp',
    section: 4,
    title: 'Hyper-V key-value pairs',
    synopsis: load('hv_kvp'),
    text: 'Passes key-value pairs between the host and\n.Xr hv_kvp_daemon 8 .',
  },
  {
    name: 'hv_ata_pci_disengage',
    section: 4,
    title: 'keeps emulated IDE disks from the ATA driver',
    synopsis: load('hv_ata_pci_disengage'),
    text: `A disk on the IDE controller of a generation 1 machine is also there through
.Xr hv_storvsc 4 .
This driver takes the slow one away.
The tunable
.Va hw.ata.disk_enable ,
with any value, leaves the disks to
.Xr ata 4 .`,
  },
  {
    name: 'hv_kvp_daemon',
    section: 8,
    title: 'Hyper-V key-value pair daemon',
    synopsis: '.Nm',
    text: 'Keeps the pools in\n.Pa /var/db/hyperv/pool\nand tells the host the addresses of this machine.',
  },
]

/** A manual page in mdoc(7), or undefined when there is none of that name and section. */
export function manualPage(name: string, section: number): string | undefined {
  const page = PAGES.find((other) => other.name === name && other.section === section)
  if (page === undefined) return undefined
  return `.Dd November 22, 2026
.Dt ${name.toUpperCase()} ${section}
.Os
.Sh NAME
.Nm ${name}
.Nd ${page.title}
.Sh SYNOPSIS
${page.synopsis}
.Sh DESCRIPTION
${page.text}
`
}
