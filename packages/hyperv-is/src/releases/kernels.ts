import type { KernelInterface } from './profile.ts'

/** stable/9 of September 2013, right after 9.2. */
const STABLE_9 = 'stable/9 at 902503'
const AS_101 = 'as 9.3 and 10.1, 10.0 not re-read'
const VMBUS = 'sys/dev/hyperv/vmbus/hv_vmbus_drv_freebsd.c'
const BIS_VMBUS = `BIS 1.1 ${VMBUS}`
const HEAD_VMBUS = 'head sys/dev/hyperv/vmbus/vmbus.c'
const HEAD_STORVSC = 'head sys/dev/hyperv/storvsc/hv_storvsc_drv_freebsd.c'
const NETVSC = 'sys/dev/hyperv/netvsc/hv_netvsc_drv_freebsd.c: hn_start, IFQ_SET_MAXLEN 512'
const DISENGAGE = 'sys/dev/hyperv/stordisengage/hv_ata_pci_disengage.c'
const NO_MAXIO = 'da(4) takes 64 KiB for a driver that sets no maxio, as that of BIS 1.1'

const versionOf = (value: number, besides = ''): Pick<KernelInterface, 'osReleaseDate'> => {
  return { osReleaseDate: { value, source: `the Porter's Handbook, __FreeBSD_version values${besides}` } }
}

const KERNEL_92: KernelInterface = {
  ...versionOf(902_001, '; 9.2 sys/sys/param.h'),
  transmit: {
    value: { startQueue: 512 },
    source: `BIS 1.1 ${NETVSC}; the kernel has if_transmit too (9.3 sys/net/if_var.h)`,
  },
  unmappedIo: {
    value: true,
    source: `9.2 release notes (r251897); ${STABLE_9} sys/cam/cam_ccb.h: PIM_UNMAPPED, which BIS 1.1 does not set`,
  },
  maxDiskIo: { value: 131_072, source: `${STABLE_9} sys/sys/param.h: MAXPHYS; ${NO_MAXIO}` },
  diskStack: { value: 'cam', source: `${STABLE_9} sys/amd64/conf/GENERIC: options ATA_CAM` },
  ideNames: {
    value: { disk: 'ada', optical: 'cd', fixed: false },
    source: '9.3 sys/cam/ata/ata_da.c, sys/cam/scsi/scsi_cd.c; ATA_STATIC_ID makes links by the former names',
  },
  calloutTick: {
    value: 10,
    source: `${STABLE_9} sys/kern/subr_param.c: HZ_VM 100 on the product "Virtual Machine"; sys/sys/callout.h: ticks`,
  },
  taskqueues: { value: { timeoutTasks: true, boundThreads: false }, source: `${STABLE_9} sys/sys/taskqueue.h` },
  busParent: { value: 'nexus', source: `${BIS_VMBUS}: DRIVER_MODULE` },
  interruptVector: {
    value: { from: 'ioapic', processors: 'first' },
    source: `${BIS_VMBUS}: an IRQ whose I/O APIC vector it looks up; bus_bind_intr to processor 0`,
  },
  interruptWork: {
    value: 'software-interrupt',
    source: `${BIS_VMBUS}: swi_add for messages, bound to processor 0, and for events`,
  },
  timeCounter: { value: 'msr', source: 'BIS 1.1 sys/dev/hyperv/vmbus/hv_hv.c: HV_X64_MSR_TIME_REF_COUNT' },
  sysctlTunables: {
    value: false,
    source: `${STABLE_9} sys/kern/kern_sysctl.c: registering does not look at CTLFLAG_TUN`,
  },
  disengage: { value: 'controller', source: `BIS 1.1 ${DISENGAGE}: any PCI class 01 subclass 01, BUS_PROBE_VENDOR` },
}

const KERNEL_93: KernelInterface = {
  ...KERNEL_92,
  ...versionOf(903_000, '; 9.3 sys/sys/param.h'),
  unmappedIo: { value: true, source: '9.3 sys/cam/cam_ccb.h: PIM_UNMAPPED, which BIS 1.1 does not set' },
  maxDiskIo: { value: 131_072, source: `9.3 sys/sys/param.h: MAXPHYS; sys/cam/scsi/scsi_da.c: ${NO_MAXIO}` },
  diskStack: { value: 'cam', source: '9.3 sys/amd64/conf/GENERIC: options ATA_CAM' },
  calloutTick: {
    value: 10,
    source: '9.3 sys/kern/subr_param.c: HZ_VM 100 on the product "Virtual Machine"; sys/sys/callout.h: ticks',
  },
  taskqueues: { value: { timeoutTasks: true, boundThreads: false }, source: '9.3 sys/sys/taskqueue.h' },
  sysctlTunables: { value: false, source: '9.3 sys/kern/kern_sysctl.c: registering does not look at CTLFLAG_TUN' },
}

const KERNEL_91: KernelInterface = {
  ...KERNEL_92,
  ...versionOf(901_000),
  unmappedIo: { value: false, source: 'came to stable/9 with r251897, after 9.1: 9.2 release notes' },
  maxDiskIo: { value: 131_072, source: `as 9.2, 9.1 not re-read: MAXPHYS; ${NO_MAXIO}` },
  diskStack: { value: 'cam', source: 'as 9.2, 9.1 not re-read: options ATA_CAM' },
  calloutTick: { value: 10, source: 'as 9.2, 9.1 not re-read: HZ_VM 100, ticks' },
  taskqueues: { value: { timeoutTasks: true, boundThreads: false }, source: 'as 9.2, 9.1 not re-read' },
  sysctlTunables: { value: false, source: 'as 9.2, 9.1 not re-read' },
}

const KERNEL_84: KernelInterface = {
  ...KERNEL_91,
  ...versionOf(804_000),
  unmappedIo: { value: false, source: 'came with 10.0 and 9.2: their release notes; stable/8 not re-read' },
  maxDiskIo: { value: 131_072, source: `stable/8 at 802514, sys/sys/param.h: MAXPHYS; ${NO_MAXIO}` },
  diskStack: { value: 'ata', source: '8.4 release notes: ATA_CAM is off in GENERIC' },
  ideNames: {
    value: { disk: 'ad', optical: 'acd', fixed: true },
    source: '8.x sys/amd64/conf/GENERIC: atadisk, atapicd, options ATA_STATIC_ID; not re-read',
  },
  calloutTick: { value: 10, source: 'as 9.2, stable/8 not re-read: HZ_VM 100, ticks' },
  taskqueues: {
    value: { timeoutTasks: undefined, boundThreads: false },
    source: 'BIS 1.1 for 8.4 uses plain tasks only; stable/8 not re-read',
  },
  sysctlTunables: { value: false, source: 'as 9.2, stable/8 not re-read' },
}

const KERNEL_101: KernelInterface = {
  ...KERNEL_92,
  ...versionOf(1_001_000, '; 10.1 sys/sys/param.h'),
  transmit: { value: { startQueue: 512 }, source: `10.1 ${NETVSC}; the kernel has if_transmit too` },
  unmappedIo: { value: true, source: '10.1 sys/cam/cam_ccb.h: PIM_UNMAPPED, which its storvsc does not set' },
  maxDiskIo: { value: 131_072, source: `10.1 sys/sys/param.h: MAXPHYS; sys/cam/scsi/scsi_da.c: ${NO_MAXIO} and 10.1` },
  diskStack: { value: 'cam', source: '10.1 sys/amd64/conf/GENERIC: no ATA_CAM any more, the former stack is gone' },
  ideNames: {
    value: { disk: 'ada', optical: 'cd', fixed: false },
    source: '10.1 sys/cam/ata/ata_da.c, sys/cam/scsi/scsi_cd.c; ATA_STATIC_ID makes links by the former names',
  },
  calloutTick: {
    value: 0,
    source: "10.1 sys/sys/callout.h: callout_reset_sbt; since 1000029: the Porter's Handbook",
  },
  taskqueues: { value: { timeoutTasks: true, boundThreads: false }, source: '10.1 sys/sys/taskqueue.h' },
  busParent: { value: 'nexus', source: `10.1 ${VMBUS}: DRIVER_MODULE` },
  interruptVector: {
    value: { from: 'ioapic', processors: 'first' },
    source: `10.1 ${VMBUS}: an IRQ whose I/O APIC vector it looks up; bus_bind_intr to processor 0`,
  },
  interruptWork: {
    value: 'software-interrupt',
    source: `10.1 ${VMBUS}: swi_add for messages, bound to processor 0, and for events`,
  },
  timeCounter: { value: 'msr', source: '10.1 sys/dev/hyperv/vmbus/hv_hv.c: HV_X64_MSR_TIME_REF_COUNT' },
  sysctlTunables: { value: false, source: '10.1 sys/kern/kern_sysctl.c: registering does not look at CTLFLAG_TUN' },
  disengage: {
    value: 'channel',
    source: `10.1 ${DISENGAGE}: atapci unit 0, channel 0, BUS_PROBE_DEFAULT, so that the ATA driver may still win`,
  },
}

const KERNEL_100: KernelInterface = {
  ...KERNEL_101,
  ...versionOf(1_000_510),
  transmit: { value: { startQueue: 512 }, source: AS_101 },
  unmappedIo: { value: true, source: '10.0 release notes: unmapped VMIO buffers' },
  maxDiskIo: { value: 131_072, source: `${AS_101}: MAXPHYS` },
  diskStack: { value: 'cam', source: 'as 10.1, 10.0 not re-read' },
  ideNames: { value: { disk: 'ada', optical: 'cd', fixed: false }, source: AS_101 },
  calloutTick: { value: 0, source: "tickless callouts since 1000029: the Porter's Handbook" },
  taskqueues: { value: { timeoutTasks: true, boundThreads: false }, source: AS_101 },
  busParent: { value: 'nexus', source: AS_101 },
  interruptVector: { value: { from: 'ioapic', processors: 'first' }, source: AS_101 },
  interruptWork: { value: 'software-interrupt', source: AS_101 },
  timeCounter: { value: 'msr', source: AS_101 },
  sysctlTunables: { value: false, source: AS_101 },
  disengage: { value: 'controller', source: 'as BIS 1.1, 10.0 not re-read' },
}

const KERNEL_HEAD: KernelInterface = {
  ...versionOf(1_600_010, ': January 2026'),
  transmit: { value: 'transmit', source: 'head sys/dev/hyperv/netvsc/if_hn.c: hn_transmit unless hw.hn.use_if_start' },
  unmappedIo: { value: true, source: `${HEAD_STORVSC}: PIM_UNMAPPED unless hw.storvsc.use_pim_unmapped is 0` },
  maxDiskIo: { value: 1_048_576, source: 'head sys/sys/param.h: MAXPHYS on 64-bit machines, kern.maxphys' },
  diskStack: { value: 'cam', source: 'head sys/cam/ata' },
  ideNames: { value: { disk: 'ada', optical: 'cd', fixed: false }, source: 'head sys/cam/ata/ata_da.c' },
  calloutTick: { value: 0, source: 'head sys/sys/callout.h: callout_reset_sbt' },
  taskqueues: {
    value: { timeoutTasks: true, boundThreads: true },
    source: 'head sys/sys/taskqueue.h: taskqueue_enqueue_timeout_sbt, taskqueue_start_threads_cpuset',
  },
  busParent: { value: 'acpi', source: `${HEAD_VMBUS}: DRIVER_MODULE on pcib and acpi_syscontainer` },
  interruptVector: { value: { from: 'lapic', processors: 'all' }, source: `${HEAD_VMBUS}: lapic_ipi_alloc` },
  interruptWork: {
    value: 'taskqueues',
    source: `${HEAD_VMBUS}: fast taskqueues for events and for messages, a thread of each on every processor`,
  },
  timeCounter: { value: 'tsc-page', source: 'head sys/dev/hyperv/vmbus/x86/hyperv_x86.c: Hyper-V-TSC' },
  sysctlTunables: {
    value: true,
    source:
      'head sys/kern/kern_sysctl.c: sysctl_register_oid fetches with CTLFLAG_TUN; sys/kern/kern_environment.c: getenv_array',
  },
  disengage: { value: 'disks', source: `${HEAD_STORVSC}: storvsc_ada_probe_veto` },
}

/** What the kernel of each release offers. */
export const KERNELS = {
  '8.4': KERNEL_84,
  '9.1': KERNEL_91,
  '9.2': KERNEL_92,
  '9.3': KERNEL_93,
  '10.0': KERNEL_100,
  '10.1': KERNEL_101,
  head: KERNEL_HEAD,
} as const
