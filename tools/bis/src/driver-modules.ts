import { mkdirSync } from 'node:fs'
import { ataDisengage } from '@bis/ata-disengage'
import type { Driver } from '@bis/hyperv-types'
import { guestServer, kvpDriver } from '@bis/kvp'
import { PoolFolder } from '@bis/kvp/node'
import { netvscDriver } from '@bis/netvsc'
import type { KernelModule } from '@bis/newbus'
import { storvsc } from '@bis/storvsc'
import { flushDisks, utilsDrivers } from '@bis/utils'
import { fileCopyFolder } from '@bis/utils/node'

/** What a command wants of the machine's NICs. */
export interface NetworkChoices {
  /** The guest may use other source addresses than its own. */
  readonly spoofing?: boolean
  /** The host may join TCP segments; default true. */
  readonly coalesce?: boolean
}

export interface DriverChoices extends NetworkChoices {
  /** What the host sees as the guest's root folder when it copies files there; without it none are taken. */
  readonly files?: string | undefined
  /** Folder of the guest's key-value pools; default: they are in memory. */
  readonly pools?: string | undefined
}

/** What the guest tells its host of its system. */
const SYSTEM = { OSName: 'BIS for TypeScript', IntegrationServicesVersion: '3.1', ProcessorArchitecture: 'amd64' }

/** The drivers of every machine, by their kernel modules. */
export function driverModules({ coalesce, files, pools: folder }: DriverChoices = {}): readonly KernelModule[] {
  const dependencies = ['hv_vmbus']
  const fileCopy = files === undefined ? {} : { fileCopy: fileCopyFolder({ root: files }) }
  const pools = folder === undefined ? {} : { pools: new PoolFolder({ folder, create: 'private' }).pools }
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const utils = utilsDrivers({ vssHooks: (kernel) => [flushDisks(kernel)], ...fileCopy })
  return [
    // Before the disks are there: it takes none away from the ATA driver.
    { name: 'hv_ata_pci_disengage', drivers: [ataDisengage() as unknown as Driver] },
    { name: 'hv_storvsc', drivers: [storvsc()], dependencies },
    { name: 'hv_netvsc', drivers: [netvscDriver(coalesce === undefined ? {} : { coalesce })], dependencies },
    { name: 'hv_utils', drivers: utils, dependencies },
    { name: 'hv_kvp', drivers: [kvpDriver({ daemon: guestServer({ values: SYSTEM, ...pools }) })], dependencies },
  ]
}
