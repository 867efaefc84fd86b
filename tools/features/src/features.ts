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
  { id: 'core', title: 'Core: drivers, heartbeat, shutdown, time', hostFrom: '2008r2', probe: core },
  { id: 'multichannel', title: 'VMBus multi-channel', hostFrom: '2012r2', probe: multichannel, absent: oneChannel },
  { id: 'signal-opt', title: 'Signal optimisation', hostFrom: '2008r2', probe: signalOptimisation },
  { id: 'storage-subchannel', title: 'Storage sub-channels', hostFrom: '2012r2', probe: storageSubchannel },
  { id: 'scatter-gather', title: 'Scatter/gather list', hostFrom: '2008r2', probe: scatterGather },
  { id: 'jumbo', title: 'Jumbo frames', hostFrom: '2008r2', probe: jumbo },
  { id: 'vlan', title: 'VLAN tagging and trunking', hostFrom: '2008r2', probe: vlan },
  { id: 'live-migration', title: 'Live migration', hostFrom: '2008r2' },
  { id: 'static-ip', title: 'Static IP injection', hostFrom: '2012', probe: staticIp, absent: noInjection },
  { id: 'vrss', title: 'Virtual receive-side scaling', hostFrom: '2012r2', probe: vrss, absent: noScaling },
  { id: 'tcp-offload', title: 'TCP offloading', hostFrom: '2008r2', probe: tcpOffload },
  { id: 'nic-hotplug', title: 'Hot add and remove of a NIC', hostFrom: '2016', probe: nicHotplug },
  { id: 'sr-iov', title: 'SR-IOV', hostFrom: '2012', probe: srIov },
  { id: 'vhdx-resize', title: 'VHDX resize', hostFrom: '2012r2', probe: vhdxResize },
  { id: 'virtual-fc', title: 'Virtual Fibre Channel', hostFrom: '2012', probe: virtualFibreChannel },
  { id: 'live-backup', title: 'Live virtual machine backup', hostFrom: '2012r2', probe: liveBackup },
  { id: 'trim', title: 'TRIM', hostFrom: '2012', probe: trim, absent: noTrim },
  { id: 'mmio-gap', title: 'Configuration of the MMIO gap', hostFrom: '2012r2', probe: mmioGap },
  { id: 'hot-add-memory', title: 'Dynamic memory: hot add', hostFrom: '2012' },
  { id: 'ballooning', title: 'Dynamic memory: ballooning', hostFrom: '2012' },
  { id: 'video', title: 'Hyper-V specific video', hostFrom: '2008r2' },
  { id: 'kvp', title: 'Key-value pair', hostFrom: '2008r2', probe: kvp },
  { id: 'nmi', title: 'Non-maskable interrupt', hostFrom: '2012r2', probe: nmi },
  { id: 'pae', title: 'PAE kernel', hostFrom: '2008r2', probe: pae },
  { id: 'file-copy', title: 'File copy from host to guest', hostFrom: '2012r2', probe: fileCopy },
  { id: 'gen2', title: 'Generation 2 machines', hostFrom: '2012r2', probe: gen2, absent: gen1Only },
  { id: 'uefi', title: 'Boot using UEFI', hostFrom: '2012r2', probe: uefi, absent: noUefi },
  { id: 'secure-boot', title: 'Secure Boot', hostFrom: '2016', probe: secureBoot },
  { id: 'ata-disengage', title: 'ATA driver steps aside', hostFrom: '2008r2', probe: ataDisengage },
  { id: 'ports-8.4-9.x', title: 'Drivers and daemon as ports', hostFrom: '2008r2', probe: ports },
  { id: 'modules', title: 'Five kernel modules, loadable', hostFrom: '2008r2', probe: modules },
  { id: 'kvp-daemon', title: 'KVP daemon', hostFrom: '2008r2', probe: kvpDaemon },
  { id: 'easy-start', title: 'Image to running machine in 20 s', hostFrom: '2012', probe: easyStart },
  { id: 'azure-image', title: 'Image for Azure', hostFrom: '2012', probe: azureImage },
]
