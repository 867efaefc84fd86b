import type { Feature } from './feature.ts'
import { ataDisengage } from './probes/ata-disengage.ts'
import { azureImage } from './probes/azure-image.ts'
import { core } from './probes/core.ts'
import { easyStart } from './probes/easy-start.ts'
import { fileCopy } from './probes/file-copy.ts'
import { gen1Only, gen2 } from './probes/gen2.ts'
import { jumbo } from './probes/jumbo.ts'
import { kvp } from './probes/kvp.ts'
import { kvpDaemon } from './probes/kvp-daemon.ts'
import { liveBackup } from './probes/live-backup.ts'
import { mmioGap } from './probes/mmio-gap.ts'
import { modules } from './probes/modules.ts'
import { multichannel, oneChannel } from './probes/multichannel.ts'
import { nicHotplug } from './probes/nic-hotplug.ts'
import { nmi } from './probes/nmi.ts'
import { pae } from './probes/pae.ts'
import { ports } from './probes/ports.ts'
import { scatterGather } from './probes/scatter-gather.ts'
import { secureBoot } from './probes/secure-boot.ts'
import { signalOptimisation } from './probes/signal-opt.ts'
import { srIov } from './probes/sr-iov.ts'
import { noInjection, staticIp } from './probes/static-ip.ts'
import { storageSubchannel } from './probes/storage-subchannel.ts'
import { tcpOffload } from './probes/tcp-offload.ts'
import { noTrim, trim } from './probes/trim.ts'
import { noUefi, uefi } from './probes/uefi.ts'
import { vhdxResize } from './probes/vhdx-resize.ts'
import { virtualFibreChannel } from './probes/virtual-fc.ts'
import { vlan } from './probes/vlan.ts'
import { noScaling, vrss } from './probes/vrss.ts'

/** The slides' rows, in their order. */
export const FEATURES: readonly Feature[] = [
  { id: 'core', group: 'Core', title: 'Core', hostFrom: '2008r2', probe: core },
  {
    id: 'multichannel',
    group: 'Core',
    title: 'VMBus multi-channel',
    hostFrom: '2012r2',
    probe: multichannel,
    absent: oneChannel,
  },
  { id: 'signal-opt', group: 'Core', title: 'Signal optimization', hostFrom: '2008r2', probe: signalOptimisation },
  {
    id: 'storage-subchannel',
    group: 'Core',
    title: 'Storage sub-channels',
    hostFrom: '2012r2',
    probe: storageSubchannel,
  },
  { id: 'scatter-gather', group: 'Core', title: 'Scatter/Gather List', hostFrom: '2008r2', probe: scatterGather },
  { id: 'jumbo', group: 'Networking', title: 'Jumbo frames', hostFrom: '2008r2', probe: jumbo },
  { id: 'vlan', group: 'Networking', title: 'VLAN tagging and trunking', hostFrom: '2008r2', probe: vlan },
  { id: 'live-migration', group: 'Networking', title: 'Live Migration', hostFrom: '2008r2' },
  {
    id: 'static-ip',
    group: 'Networking',
    title: 'Static IP Injection',
    hostFrom: '2012',
    probe: staticIp,
    absent: noInjection,
  },
  { id: 'vrss', group: 'Networking', title: 'vRSS', hostFrom: '2012r2', probe: vrss, absent: noScaling },
  { id: 'tcp-offload', group: 'Networking', title: 'TCP Offloading', hostFrom: '2008r2', probe: tcpOffload },
  { id: 'nic-hotplug', group: 'Networking', title: 'Hot Add/Remove NIC', hostFrom: '2016', probe: nicHotplug },
  { id: 'sr-iov', group: 'Networking', title: 'SR-IOV', hostFrom: '2012', probe: srIov },
  { id: 'vhdx-resize', group: 'Storage', title: 'VHDX resize', hostFrom: '2012r2', probe: vhdxResize },
  { id: 'virtual-fc', group: 'Storage', title: 'Virtual Fibre Channel', hostFrom: '2012', probe: virtualFibreChannel },
  { id: 'live-backup', group: 'Storage', title: 'Live virtual machine backup', hostFrom: '2012r2', probe: liveBackup },
  { id: 'trim', group: 'Storage', title: 'TRIM support', hostFrom: '2012', probe: trim, absent: noTrim },
  { id: 'mmio-gap', group: 'Memory', title: 'Configuration of MMIO gap', hostFrom: '2012r2', probe: mmioGap },
  { id: 'hot-add-memory', group: 'Memory', title: 'Dynamic Memory - Hot Add', hostFrom: '2012' },
  { id: 'ballooning', group: 'Memory', title: 'Dynamic Memory - Ballooning', hostFrom: '2012' },
  { id: 'video', group: 'Video', title: 'Hyper-V-specific video', hostFrom: '2008r2' },
  { id: 'kvp', group: 'Miscellaneous', title: 'Key-Value Pair', hostFrom: '2008r2', probe: kvp },
  { id: 'nmi', group: 'Miscellaneous', title: 'Non-Maskable Interrupt', hostFrom: '2012r2', probe: nmi },
  { id: 'pae', group: 'Miscellaneous', title: 'PAE Kernel Support', hostFrom: '2008r2', probe: pae },
  {
    id: 'file-copy',
    group: 'Miscellaneous',
    title: 'File copy from host to guest',
    hostFrom: '2012r2',
    probe: fileCopy,
  },
  {
    id: 'gen2',
    group: 'Miscellaneous',
    title: 'Generation 2 virtual machines',
    hostFrom: '2012r2',
    probe: gen2,
    absent: gen1Only,
  },
  { id: 'uefi', group: 'Miscellaneous', title: 'Boot using UEFI', hostFrom: '2012r2', probe: uefi, absent: noUefi },
  { id: 'secure-boot', group: 'Miscellaneous', title: 'Secure boot', hostFrom: '2016', probe: secureBoot },
  {
    id: 'ata-disengage',
    group: 'Distribution',
    title: 'ATA driver steps aside',
    hostFrom: '2008r2',
    probe: ataDisengage,
  },
  {
    id: 'ports-8.4-9.x',
    group: 'Distribution',
    title: 'Ports for 8.4, 9.x and 10.0',
    hostFrom: '2008r2',
    probe: ports,
  },
  { id: 'modules', group: 'Distribution', title: 'Five loadable kernel modules', hostFrom: '2008r2', probe: modules },
  {
    id: 'kvp-daemon',
    group: 'Distribution',
    title: 'KVP daemon, addresses at the host',
    hostFrom: '2008r2',
    probe: kvpDaemon,
  },
  {
    id: 'easy-start',
    group: 'Distribution',
    title: 'Image to running machine in 20 s',
    hostFrom: '2012',
    probe: easyStart,
  },
  { id: 'azure-image', group: 'Distribution', title: 'Image for Azure', hostFrom: '2012', probe: azureImage },
]
